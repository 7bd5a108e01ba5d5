// Products of matrices whose columns come in blocks of 16: what the linear layers are made of.
#pragma once

namespace {

// Numbers that a product reads at strides: element (i, k) of the left factor is
// at[i * row + k * column].
struct Strided {
  const Real* at;
  int64_t row, column;

  Strided skip(int64_t rows) const { return {at + rows * row, row, column}; }
};

// sums[rows] += left (rows, depth) x right (depth, 16), one row's sum after the other's in the same
// order of depth: its bits do not depend on how many rows are computed at once.
template <int rows>
INLINE void add_products(Block sums[rows], Strided left, const Real* __restrict right,
                         int64_t right_row, int depth) {
#pragma GCC unroll 4
  for (int k = 0; k < depth; k++) {
    const Block of_right = load_block(right + k * right_row);
    UNROLL
    for (int i = 0; i < rows; i++)
      add_product(sums[i], left.at[i * left.row + k * left.column], of_right);
  }
}

template <int rows>
INLINE void multiply_rows(Real* out, int64_t out_row, bool add, Strided left, const Real* right,
                          int64_t right_row, int depth) {
  Block sums[rows];
  UNROLL
  for (int i = 0; i < rows; i++) sums[i] = add ? load_block(out + i * out_row) : Block{};
  add_products<rows>(sums, left, right, right_row, depth);
  UNROLL
  for (int i = 0; i < rows; i++) store_block(out + i * out_row, sums[i]);
}

// As many as registers hold the sums of: 16 registers, and 32 where they are 16 numbers wide.
constexpr int kRowsAtOnce = kLanes == 16 ? 8 : kLanes == 8 ? 6 : 2;

// out (count, 16) = or += left (count, depth) x right (depth, 16).
void multiply(Real* out, int64_t out_row, bool add, Strided left, const Real* right,
              int64_t right_row, int count, int depth) {
  int i = 0;
  for (; i + kRowsAtOnce <= count; i += kRowsAtOnce)
    multiply_rows<kRowsAtOnce>(out + i * out_row, out_row, add, left.skip(i), right, right_row,
                               depth);
  for (; i + 2 <= count; i += 2)
    multiply_rows<2>(out + i * out_row, out_row, add, left.skip(i), right, right_row, depth);
  for (; i < count; i++)
    multiply_rows<1>(out + i * out_row, out_row, add, left.skip(i), right, right_row, depth);
}

constexpr int kDepthAtOnce = 256;  // features whose weights stay near while all images pass them

// The first linear layer: (images, features) to (images, kHidden).
void apply_hidden(const Shape& shape, const Layout& at, const Real* parameters, const Real* in,
                  int images, Real* out) {
  for (int n = 0; n < images; n++)
    __builtin_memcpy(out + n * kHidden, parameters + at.hidden_bias, sizeof(Real) * kHidden);
  for (int k = 0; k < shape.features; k += kDepthAtOnce) {
    const int depth = shape.features - k < kDepthAtOnce ? shape.features - k : kDepthAtOnce;
    for (int block = 0; block < kHiddenBlocks; block++)
      multiply(out + block * kBlock, kHidden, true, {in + k, shape.features, 1},
               parameters + at.hidden + ((int64_t)block * shape.features + k) * kBlock, kBlock,
               images, depth);
  }
}

// The second linear layer: (images, kHidden) to logits (images, outputs).
void apply_last(const Shape& shape, const Layout& at, const Real* parameters, const Real* in,
                int images, Real* out) {
  for (int n = 0; n < images; n++)
    __builtin_memcpy(out + n * shape.outputs, parameters + at.last_bias,
                     sizeof(Real) * shape.outputs);
  for (int block = 0; block < shape.outputs; block += kBlock)
    multiply(out + block, shape.outputs, true, {in, kHidden, 1}, parameters + at.last + block,
             shape.outputs, images, kHidden);
}

// (rows, columns) to (columns, rows), from rows `from_row` apart.
void transpose(const Real* __restrict from, int64_t from_row, int rows, int columns,
               Real* __restrict to) {
  for (int column = 0; column < columns; column++)
    for (int row = 0; row < rows; row++) to[column * rows + row] = from[row * from_row + column];
}

}  // namespace
