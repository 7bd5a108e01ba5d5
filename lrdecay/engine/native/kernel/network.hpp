// The whole network for one run on one thread: forward, backward, update; and its evaluation.
#pragma once

namespace {

struct Images {
  const Real* pixels;     // [n][height][width][channels]
  const int64_t* labels;  // [n]
};

// Copies an image into its frame, plane by plane; the frame's border stays zero.
const Real* frame_image(Network& net, const Images& images, int64_t number) {
  const Shape& shape = net.shape;
  const int channels = shape.channels;
  const Real* from = images.pixels + number * channels * shape.height * shape.width;
  for (int channel = 0; channel < channels; channel++) {
    Real* plane = net.image + channel * shape.framed_plane() + shape.framed_row() + 1;
    for (int y = 0; y < shape.height; y++) {
      Real* to = plane + y * shape.framed_row();
      const Real* row = from + y * shape.width * channels + channel;
      if (channels == 1)
        __builtin_memcpy(to, row, sizeof(Real) * shape.width);
      else
        for (int x = 0; x < shape.width; x++) to[x] = row[x * channels];
    }
  }
  return net.image;
}

// Before images pass the second convolution.
void prepare_second(Network& net, const Real* parameters) {
  if (has_winograd(net.shape))
    transform_weights(net.at, parameters, net.turned);
  else
    turn_second_weights(net.at, parameters, net.turned);
}

// An image's two convolutions.
template <bool with_places>
void convolve(Network& net, const Real* parameters, const Real* image, Real* map1, int8_t* places1,
              Real* map2, int8_t* places2) {
  const Shape& shape = net.shape;
  convolve_first<with_places>(shape, net.at, parameters, image, map1, places1);
  if (has_winograd(shape))
    convolve_by_winograd<with_places>(shape, net.at, parameters, net.turned, map1, net.strip, map2,
                                      places2);
  else
    convolve_second<with_places>(shape, net.at, parameters, net.turned, map1, map2, places2);
}

// Drops elements of the pooled maps; no gradient passes where one is dropped. The stream counts
// channel by channel, as torch flattens, and memory goes position by position.
void drop_maps(Network& net, int images, const Dropout& dropout) {
  const int positions = net.shape.positions2(), features = net.shape.features;
  dropout.draw(0, (int64_t)images * features, net.bits);
  const int32_t* uniforms = reinterpret_cast<const int32_t*>(net.bits);
  for (int n = 0; n < images; n++) {
    Real* map = net.maps2 + (int64_t)n * features;
    int8_t* places = net.places2 + (int64_t)n * features;
    const int32_t* of_image = uniforms + (int64_t)n * features;
    for (int position = 0; position < positions; position++)
      for (int channel = 0; channel < kSecond; channel++) {
        const int i = position * kSecond + channel;
        const bool kept = of_image[channel * positions + position] >= dropout.threshold;
        map[i] *= kept ? dropout.scale : 0;
        places[i] = kept ? places[i] : kNowhere;
      }
  }
}

// ReLU and dropout of the hidden layer, in place. As in torch, what is not a number passes.
void activate_hidden(Network& net, int images, const Dropout& dropout) {
  const int64_t count = (int64_t)images * kHidden;
  if (dropout.active) dropout.draw(1, count, net.bits);
  const int32_t* uniforms = reinterpret_cast<const int32_t*>(net.bits);
  for (int64_t i = 0; i < count; i++) {
    const Real factor =
        !dropout.active ? 1 : uniforms[i] >= dropout.threshold ? dropout.scale : (Real)0;
    const bool passes = !(net.hidden[i] <= 0);
    net.passes[i] = passes ? factor : 0;
    net.hidden[i] = (passes ? net.hidden[i] : 0) * factor;
  }
}

struct Outcome {
  double loss;  // the mean of the images'
  int64_t right;
};

// Everything up to the gradient of the logits; `order` says which images.
Outcome forward(Network& net, const Real* parameters, const Images& images, const int64_t* order,
                int count, const Dropout& dropout) {
  const Shape& shape = net.shape;
  for (int n = 0; n < count; n++) {
    const Real* image = frame_image(net, images, order[n]);
    convolve<true>(net, parameters, image, net.maps1 + (int64_t)n * shape.framed1(),
                   net.places1 + (int64_t)n * shape.positions1() * kFirst,
                   net.maps2 + (int64_t)n * shape.features,
                   net.places2 + (int64_t)n * shape.features);
  }
  if (dropout.active) drop_maps(net, count, dropout);
  apply_hidden(shape, net.at, parameters, net.maps2, count, net.hidden);
  activate_hidden(net, count, dropout);
  apply_last(shape, net.at, parameters, net.hidden, count, net.logits);
  double total = 0;
  int64_t right = 0;
  for (int n = 0; n < count; n++) {
    const int64_t to = (int64_t)n * shape.outputs;
    const Judged judged = judge(net.logits + to, shape.classes, images.labels[order[n]],
                                (Real)1 / count, net.of_logits + to, net.exponentials);
    total += judged.loss;
    right += judged.likeliest == images.labels[order[n]];
  }
  return {total / count, right};
}

// Gradients of the last layer and, through it, of the hidden one.
void backward_last(Network& net, const Weights& of, int count) {
  const Shape& shape = net.shape;
  const int outputs = shape.outputs;
  transpose(of.parameters + net.at.last, outputs, kHidden, outputs, net.block);
  for (int block = 0; block < kHidden; block += kBlock)
    multiply(net.of_hidden + block, kHidden, false, {net.of_logits, outputs, 1}, net.block + block,
             kHidden, count, shape.classes);
  for (int64_t i = 0; i < (int64_t)count * kHidden; i++) net.of_hidden[i] *= net.passes[i];
  for (int block = 0; block < outputs; block += kBlock)
    multiply(of.gradients + net.at.last + block, outputs, false, {net.hidden, 1, kHidden},
             net.of_logits + block, outputs, kHidden, count);
  for (int n = 0; n < count; n++) {
    for (int i = 0; i < outputs; i++)
      of.gradients[net.at.last_bias + i] += net.of_logits[n * outputs + i];
    for (int i = 0; i < kHidden; i++)
      of.gradients[net.at.hidden_bias + i] += net.of_hidden[n * kHidden + i];
  }
}

// Sums the gradients of `rows` features' weights to 16 hidden units and hands them on.
template <int rows, class Update>
INLINE void update_rows(const Network& net, const Weights& of, const Update& update, int count,
                        int block, int feature) {
  Block sums[rows];
  UNROLL
  for (int i = 0; i < rows; i++) sums[i] = Block{};
  add_products<rows>(sums, {net.maps2 + feature, 1, net.shape.features},
                     net.of_hidden + block * kBlock, kHidden, count);
  const int64_t to = net.at.hidden + ((int64_t)block * net.shape.features + feature) * kBlock;
  UNROLL
  for (int i = 0; i < rows; i++)
    UNROLL
    for (int v = 0; v < kVectors; v++)
      update.move(of, to + i * kBlock + v * kLanes, sums[i].part[v], false);
}

// The hidden layer, which has most of the parameters, 16 features at a time: the gradient of its
// input needs the weights as they were, and their own gradients never leave the registers.
template <class Update>
void backward_hidden(Network& net, const Weights& of, const Update& update, int count) {
  const int features = net.shape.features;
  for (int k = 0; k < features; k += kBlock) {
    for (int block = 0; block < kHiddenBlocks; block++)
      transpose(of.parameters + net.at.hidden + ((int64_t)block * features + k) * kBlock, kBlock,
                kBlock, kBlock, net.block + block * kBlock * kBlock);
    multiply(net.of_maps2 + k, features, false, {net.of_hidden, kHidden, 1}, net.block, kBlock,
             count, kHidden);
    for (int block = 0; block < kHiddenBlocks; block++) {
      int row = 0;
      for (; row + kRowsAtOnce <= kBlock; row += kRowsAtOnce)
        update_rows<kRowsAtOnce>(net, of, update, count, block, k + row);
      for (; row < kBlock; row += 2) update_rows<2>(net, of, update, count, block, k + row);
    }
  }
}

void backward_convolutions(Network& net, const Weights& of, const Images& images,
                           const int64_t* order, int count, Real scale) {
  const Shape& shape = net.shape;
  for (int n = 0; n < count; n++) {
    const int64_t base = (int64_t)(n % net.nearby) * shape.framed1();
    spread_second(shape, net.at, of.parameters, net.of_maps2 + (int64_t)n * shape.features,
                  net.places2 + (int64_t)n * shape.features, scale, (int)base, net.of_map1,
                  net.winners);
    sum_first(shape, net.at, frame_image(net, images, order[n]),
              net.places1 + (int64_t)n * shape.positions1() * kFirst, net.of_map1, of.gradients);
    if (n % net.nearby == net.nearby - 1 || n == count - 1)
      sum_second(shape, net.at, net.maps1 + (int64_t)(n - n % net.nearby) * shape.framed1(),
                 net.winners, of.gradients);
  }
}

// One step on the images of `order`.
template <class Update>
Outcome take_step(Network& net, const Weights& of, const Images& images, const int64_t* order,
                  int count, const Dropout& dropout, const Update& update) {
  prepare_second(net, of.parameters);
  const Outcome outcome = forward(net, of.parameters, images, order, count, dropout);
  // all but the hidden layer's gradients are summed in memory
  const int apart = net.at.first;
  __builtin_memset(of.gradients + apart, 0, sizeof(Real) * (net.at.total - apart));
  backward_last(net, of, count);
  backward_hidden(net, of, update, count);
  backward_convolutions(net, of, images, order, count, dropout.active ? dropout.scale : 1);
  for (int i = apart; i < net.at.total; i += kLanes)
    update.move(of, i, load(of.gradients + i), i >= net.at.biases);
  return outcome;
}

// Judges images with dropout off, in order.
void evaluate(Network& net, const Real* parameters, const Images& images, int64_t count,
              double* losses, int64_t* likeliest) {
  const Shape& shape = net.shape;
  prepare_second(net, parameters);
  for (int64_t start = 0; start < count; start += kEvaluated) {
    const int some = count - start < kEvaluated ? (int)(count - start) : kEvaluated;
    for (int n = 0; n < some; n++) {
      const Real* image = frame_image(net, images, start + n);
      convolve<false>(net, parameters, image, net.maps1, nullptr,
                      net.maps2 + (int64_t)n * shape.features, nullptr);
    }
    apply_hidden(shape, net.at, parameters, net.maps2, some, net.hidden);
    activate_hidden(net, some, Dropout{});
    apply_last(shape, net.at, parameters, net.hidden, some, net.logits);
    for (int n = 0; n < some; n++) {
      const Judged judged =
          judge(net.logits + (int64_t)n * shape.outputs, shape.classes, images.labels[start + n],
                0, nullptr, net.exponentials);
      losses[start + n] = judged.loss;
      likeliest[start + n] = judged.likeliest;
    }
  }
}

}  // namespace
