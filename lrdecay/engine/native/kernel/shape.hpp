// The tutorial's network in numbers: what its sizes are for images of a shape, and where each of
// its parameters stands in one flat array.
#pragma once

namespace {

constexpr int kFirst = 16;    // channels of the first convolution
constexpr int kSecond = 32;   // channels of the second
constexpr int kHidden = 128;  // outputs of the first linear layer
constexpr int kTaps = 9;      // of a 3x3 convolution
constexpr int kSecondTaps = kTaps * kFirst;
constexpr int kHiddenBlocks = kHidden / kBlock;

struct Shape {
  int channels, height, width, classes;
  int height1, width1;  // after the first pooling; an odd last row or column is in no window
  int height2, width2;  // after the second
  int features;         // of the first linear layer: position by position, channels side by side
  int outputs;          // classes, rounded up to whole blocks; the weights of the rest stay zero

  Shape(int channels, int height, int width, int classes)
      : channels(channels), height(height), width(width), classes(classes),
        height1(height / 2), width1(width / 2), height2(height1 / 2), width2(width1 / 2),
        features(kSecond * height2 * width2),
        outputs((classes + kBlock - 1) / kBlock * kBlock) {}

  // Images and the first layer's outputs stand in a frame of zeros, the padding of a convolution.
  int framed_row() const { return width + 2; }
  int framed_plane() const { return (height + 2) * framed_row(); }
  int framed_row1() const { return (width1 + 2) * kFirst; }
  int framed1() const { return (height1 + 2) * framed_row1(); }
  int positions1() const { return height1 * width1; }
  int positions2() const { return height2 * width2; }
};

// Places in the flat array. Weights first, then biases, since weight decay may spare those.
struct Layout {
  int hidden;       // [kHiddenBlocks][features][kBlock]
  int first;        // [channels][kTaps][kFirst]
  int second;       // [kSecond][kTaps][kFirst]
  int last;         // [kHidden][outputs]
  int biases;       // where they begin
  int first_bias;   // [kFirst]
  int second_bias;  // [kSecond]
  int hidden_bias;  // [kHidden]
  int last_bias;    // [outputs]
  int total;

  explicit Layout(const Shape& shape) {
    hidden = 0;
    first = hidden + shape.features * kHidden;
    second = first + shape.channels * kTaps * kFirst;
    last = second + kSecond * kSecondTaps;
    biases = last + kHidden * shape.outputs;
    first_bias = biases;
    second_bias = first_bias + kFirst;
    hidden_bias = second_bias + kSecond;
    last_bias = hidden_bias + kHidden;
    total = last_bias + shape.outputs;
  }
};

}  // namespace
