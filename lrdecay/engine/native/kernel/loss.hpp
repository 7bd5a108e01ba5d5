// The cross entropy of the softmax, its gradient, and which class is the likeliest.
#pragma once

namespace {

struct Judged {
  double loss;  // nats
  int likeliest;
};

// Judges an image's logits. `gradient`, where it is given, gets that of the loss, times `share`.
// As in torch, the first of equal logits is the likeliest, and one that is not a number before all.
Judged judge(const Real* logits, int classes, int64_t label, Real share, Real* gradient,
             Real* exponentials) {
  int likeliest = 0;
  for (int c = 1; c < classes; c++) {
    const Real best = logits[likeliest];
    if (logits[c] > best || (logits[c] != logits[c] && best == best)) likeliest = c;
  }
  const Real largest = logits[likeliest];
  Real sum = 0;
  for (int c = 0; c < classes; c++) sum += exponentials[c] = std::exp(logits[c] - largest);
  if (gradient)
    for (int c = 0; c < classes; c++)
      gradient[c] = (exponentials[c] / sum - (c == label ? 1 : 0)) * share;
  const double loss = (double)std::log(sum) + (double)largest - (double)logits[label];
  return {loss, likeliest};
}

}  // namespace
