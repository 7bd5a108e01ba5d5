// What becomes of gradients: a step of Adam, AdamW or SGD on the spot, while they are in registers,
// or they are written out for an optimizer elsewhere.
//
// Coefficients come in float64, a row for each step, as lrdecay/engine/stacked/optimizers computes
// them: rounding 1 - beta2 to float32 before it is used in another term would cost five digits.
#pragma once

namespace {

// The parameters of a run and what its optimizer keeps of each, all in one Layout.
struct Weights {
  Real* parameters;
  Real* gradients;
  Real* first;   // Adam's average of gradients, SGD's buffer
  Real* second;  // Adam's average of their squares
};

// torch.optim.Adam, and AdamW where the decay is decoupled.
template <bool decoupled> struct Adam {
  static constexpr int kNumbers = 6;
  Real weight1, keep2, weight2, eps, size, decays[2];

  explicit Adam(const double* row)
      : weight1((Real)row[0]), keep2((Real)(1.0 - row[1])), weight2((Real)row[1]),
        eps((Real)row[2]), size((Real)row[3]), decays{(Real)row[4], (Real)row[5]} {}

  INLINE void move(const Weights& of, int64_t i, Vector gradient, bool is_bias) const {
    Vector parameter = load(of.parameters + i);
    if (decoupled)
      parameter *= decays[is_bias];
    else
      gradient += decays[is_bias] * parameter;
    Vector average = load(of.first + i);
    average += weight1 * (gradient - average);
    const Vector square = keep2 * load(of.second + i) + weight2 * (gradient * gradient);
    store(of.first + i, average);
    store(of.second + i, square);
    store(of.parameters + i, parameter + size * average / (root(square) + eps));
  }
};

// torch.optim.SGD, with momentum and Nesterov's.
struct Sgd {
  static constexpr int kNumbers = 6;
  Real decays[2], kept, added, along_buffer, along_gradient;

  explicit Sgd(const double* row)
      : decays{(Real)row[0], (Real)row[1]}, kept((Real)row[2]), added((Real)row[3]),
        along_buffer((Real)row[4]), along_gradient((Real)row[5]) {}

  INLINE void move(const Weights& of, int64_t i, Vector gradient, bool is_bias) const {
    Vector parameter = load(of.parameters + i);
    gradient += decays[is_bias] * parameter;
    const Vector buffer = kept * load(of.first + i) + added * gradient;
    store(of.first + i, buffer);
    store(of.parameters + i, parameter + along_buffer * buffer + along_gradient * gradient);
  }
};

// No step: the gradients are the result.
struct Gradients {
  static constexpr int kNumbers = 0;
  explicit Gradients(const double*) {}

  INLINE void move(const Weights& of, int64_t i, Vector gradient, bool) const {
    store(of.gradients + i, gradient);
  }
};

}  // namespace
