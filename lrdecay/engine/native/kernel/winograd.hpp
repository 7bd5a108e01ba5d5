// The second convolution's forward pass in fewer multiplications: Winograd's F(2x2, 3x3), of Lavin
// and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016). A tile of 4x4 inputs gives
// 2x2 outputs, here one pooling window, by 16 products for each pair of channels instead of 36:
//
//   output = A^T [(G weights G^T) * (B^T tile B)] A
//
//        1    0    0            1  0 -1  0
//   G = 1/2  1/2  1/2    B^T =  0  1  1  0    A^T =  1  1  1  0
//       1/2 -1/2  1/2           0 -1  1  0           0  1 -1 -1
//        0    0    1            0  1  0 -1
//
// where * goes point by point and is summed over input channels. This equals the direct sum but for
// rounding, which is no coarser. It adds in one order whatever the processor's vectors, and each
// tile alone, so bits depend neither on those nor on which tiles are computed together. Where all
// numbers of a tile are the same, so are its four outputs, to the bit: a tie stays one, and goes to
// the first place.
#pragma once

namespace {

constexpr int kSide = 4;                // of a tile
constexpr int kPoints = kSide * kSide;  // of a tile, and of transformed weights

// As many as images of 12x12 pixels have. It spares as large a part of the time on images of 8x8,
// but those keep the bits of the results on digits that are published.
constexpr int kLeastWindows = 9;

INLINE bool has_winograd(const Shape& shape) { return shape.positions2() >= kLeastWindows; }

// A strip is as many tiles as registers hold the sums of, for so many blocks of channels.
constexpr int kStrip = kLanes == 16 ? 7 : kLanes == 8 ? 4 : 2;
constexpr int kBlocksAtOnce = kVectors == 1 ? kSecond / kBlock : 1;

// B^T times a column of four, or a row of four times B.
INLINE void transform_four(Vector& a, Vector& b, Vector& c, Vector& d) {
  const Vector first = a - c, second = b + c, third = c - b, fourth = b - d;
  a = first, b = second, c = third, d = fourth;
}

// G times a column of three, or a row of three times G^T; the halves are exact.
INLINE void expand_three(Real first, Real second, Real third, Real out[kSide]) {
  out[0] = first;
  out[1] = (first + third + second) / 2;
  out[2] = (first + third - second) / 2;
  out[3] = third;
}

// G weights G^T of all pairs of channels: [kPoints][kFirst][kSecond].
void transform_weights(const Layout& at, const Real* parameters, Real* transformed) {
  for (int out = 0; out < kSecond; out++)
    for (int in = 0; in < kFirst; in++) {
      const Real* weights = parameters + at.second + out * kSecondTaps + in;
      Real columns[3][kSide];
      for (int x = 0; x < 3; x++)
        expand_three(weights[x * kFirst], weights[(3 + x) * kFirst], weights[(6 + x) * kFirst],
                     columns[x]);
      for (int y = 0; y < kSide; y++) {
        Real row[kSide];
        expand_three(columns[0][y], columns[1][y], columns[2][y], row);
        for (int x = 0; x < kSide; x++)
          transformed[((y * kSide + x) * kFirst + in) * kSecond + out] = row[x];
      }
    }
}

// B^T tile B of all input channels of a tile, given its upper left corner: first each column, then
// each row. The points of the result are `apart` numbers from each other.
INLINE void transform_tile(const Real* __restrict corner, int row, Real* __restrict to,
                           int apart) {
  for (int v = 0; v < kVectors; v++) {
    Vector tile[kSide][kSide];
    UNROLL
    for (int y = 0; y < kSide; y++)
      UNROLL
      for (int x = 0; x < kSide; x++) tile[y][x] = load(corner + y * row + x * kFirst + v * kLanes);
    UNROLL
    for (int x = 0; x < kSide; x++) transform_four(tile[0][x], tile[1][x], tile[2][x], tile[3][x]);
    UNROLL
    for (int y = 0; y < kSide; y++) {
      transform_four(tile[y][0], tile[y][1], tile[y][2], tile[y][3]);
      UNROLL
      for (int x = 0; x < kSide; x++) store(to + (y * kSide + x) * apart + v * kLanes, tile[y][x]);
    }
  }
}

// The products of some tiles at one point, summed over input channels in registers:
// out [tiles][kSecond] = bias + of_tiles [tiles][kFirst] x weights [kFirst][kSecond].
template <int tiles>
INLINE void sum_products(const Real* __restrict of_tiles, const Real* __restrict weights,
                         const Real* __restrict bias, Real* __restrict out) {
  for (int from = 0; from < kSecond; from += kBlocksAtOnce * kBlock) {
    Block sums[tiles][kBlocksAtOnce];
    UNROLL
    for (int tile = 0; tile < tiles; tile++)
      UNROLL
      for (int b = 0; b < kBlocksAtOnce; b++)
        sums[tile][b] = bias ? load_block(bias + from + b * kBlock) : Block{};
#pragma GCC unroll 4
    for (int in = 0; in < kFirst; in++)
      UNROLL
      for (int b = 0; b < kBlocksAtOnce; b++) {
        const Block weight = load_block(weights + in * kSecond + from + b * kBlock);
        UNROLL
        for (int tile = 0; tile < tiles; tile++)
          add_product(sums[tile][b], of_tiles[tile * kFirst + in], weight);
      }
    UNROLL
    for (int tile = 0; tile < tiles; tile++)
      UNROLL
      for (int b = 0; b < kBlocksAtOnce; b++)
        store_block(out + tile * kSecond + from + b * kBlock, sums[tile][b]);
  }
}

// The same for as many tiles as there are, up to `most`: an image's last strip has fewer.
template <int most = kStrip>
void sum_products(int tiles, const Real* of_tiles, const Real* weights, const Real* bias,
                  Real* out) {
  if (tiles == most) return sum_products<most>(of_tiles, weights, bias, out);
  if constexpr (most > 1) sum_products<most - 1>(tiles, of_tiles, weights, bias, out);
}

// A^T times a column of four, or a row of four times A.
INLINE void reduce_four(const Vector of[kSide], Vector& first, Vector& second) {
  first = of[1] + of[2] + of[0];
  second = of[1] - of[2] - of[3];
}

// A^T products A of one block of channels, first each column, then each row: a window's four sums.
INLINE void transform_products(const Real* __restrict products, int apart, Block sums[kWindow]) {
  UNROLL
  for (int v = 0; v < kVectors; v++) {
    Vector upper[kSide], lower[kSide];
    UNROLL
    for (int x = 0; x < kSide; x++) {
      Vector column[kSide];
      UNROLL
      for (int y = 0; y < kSide; y++)
        column[y] = load(products + (y * kSide + x) * apart + v * kLanes);
      reduce_four(column, upper[x], lower[x]);
    }
    reduce_four(upper, sums[0].part[v], sums[1].part[v]);
    reduce_four(lower, sums[2].part[v], sums[3].part[v]);
  }
}

// What a strip of tiles is transformed into.
struct Strip {
  Real* tiles;     // [kPoints][kStrip][kFirst]
  Real* products;  // [kPoints][kStrip][kSecond]
};

// The second convolution: the framed map of the first to [height2][width2][kSecond], window by
// window like `convolve_second`, a strip of them at a time, so that what is between stays in the
// near cache.
template <bool with_places>
void convolve_by_winograd(const Shape& shape, const Layout& at, const Real* parameters,
                          const Real* __restrict transformed, const Real* __restrict in,
                          const Strip& strip, Real* __restrict out, int8_t* __restrict places) {
  const int row = shape.framed_row1(), all = shape.positions2();
  for (int start = 0; start < all; start += kStrip) {
    const int count = all - start < kStrip ? all - start : kStrip;
    for (int tile = 0; tile < count; tile++) {
      const int y = (start + tile) / shape.width2, x = (start + tile) % shape.width2;
      transform_tile(in + 2 * y * row + 2 * x * kFirst, row, strip.tiles + tile * kFirst,
                     kStrip * kFirst);
    }
    for (int point = 0; point < kPoints; point++)
      // A^T and A add the point at (1, 1) once to each of the four outputs: there the bias begins
      sum_products(count, strip.tiles + point * kStrip * kFirst,
                   transformed + point * kFirst * kSecond,
                   point == kSide + 1 ? parameters + at.second_bias : nullptr,
                   strip.products + point * kStrip * kSecond);
    for (int tile = 0; tile < count; tile++)
      for (int half = 0; half < kSecond; half += kBlock) {
        Block sums[kWindow];
        transform_products(strip.products + tile * kSecond + half, kStrip * kSecond, sums);
        const int to = (start + tile) * kSecond + half;
        pool<with_places>(sums, out + to, places + to);
      }
  }
}

}  // namespace
