// The two convolutions, each with its bias, 2x2 max-pooling and ReLU in one pass: what a pooling
// window needs stays in registers, and only its winner is written.
//
// Backwards, behind a max-pool the gradient is zero at three places of four, and behind ReLU it is
// zero where nothing came through. Only the places that are left are visited. That leaves out
// products with zero and nothing else, so it is exact.
#pragma once

namespace {

constexpr int kWindow = 4;           // places of a pooling window, row by row
constexpr int8_t kNowhere = kWindow;  // instead of a place, where no gradient passes

// Takes the largest of a window's four sums, or zero if that is larger; `places` gets which of the
// four it was. As in torch, a value that is not a number wins.
template <bool with_places>
INLINE void pool(const Block sums[kWindow], Real* out, int8_t* places) {
  UNROLL
  for (int v = 0; v < kVectors; v++) {
    Vector largest = sums[0].part[v];
    Mask place = {};
    UNROLL
    for (int p = 1; p < kWindow; p++) {
      const Vector other = sums[p].part[v];
      const Mask wins = (other > largest) | (other != other);
      largest = wins ? other : largest;
      place = wins ? fill_places(p) : place;
    }
    const Mask blocked = largest <= Vector{};
    store(out + v * kLanes, blocked ? Vector{} : largest);
    if (with_places) store_bytes(places + v * kLanes, blocked ? fill_places(kNowhere) : place);
  }
}

// The first convolution: a framed image to the framed pooled map [height1][width1][kFirst].
template <bool with_places>
void convolve_first(const Shape& shape, const Layout& at, const Real* parameters,
                    const Real* __restrict image, Real* __restrict out,
                    int8_t* __restrict places) {
  const int row = shape.framed_row();
  const Real* weights = parameters + at.first;
  const Block bias = load_block(parameters + at.first_bias);
  for (int y = 0; y < shape.height1; y++)
    for (int x = 0; x < shape.width1; x++) {
      Block sums[kWindow] = {bias, bias, bias, bias};
      const Real* corner = image + 2 * y * row + 2 * x;
      const Real* of_taps = weights;
      for (int channel = 0; channel < shape.channels; channel++) {
        UNROLL
        for (int tap = 0; tap < kTaps; tap++) {
          const Block weight = load_block(of_taps + tap * kFirst);
          UNROLL
          for (int p = 0; p < kWindow; p++)
            add_product(sums[p], corner[(tap / 3 + p / 2) * row + tap % 3 + p % 2], weight);
        }
        corner += shape.framed_plane();
        of_taps += kTaps * kFirst;
      }
      pool<with_places>(sums, out + (y + 1) * shape.framed_row1() + (x + 1) * kFirst,
                        places + (y * shape.width1 + x) * kFirst);
    }
}

// Puts the second convolution's weights into the order in which its forward pass reads them,
// [kSecond / kBlock][kSecondTaps][kBlock]: for each input, 16 outputs side by side.
void turn_second_weights(const Layout& at, const Real* parameters, Real* turned) {
  const Real* weights = parameters + at.second;
  for (int out = 0; out < kSecond; out++)
    for (int k = 0; k < kSecondTaps; k++)
      turned[(out / kBlock * kSecondTaps + k) * kBlock + out % kBlock] =
          weights[out * kSecondTaps + k];
}

// The second convolution: the framed map of the first to [height2][width2][kSecond].
template <bool with_places>
void convolve_second(const Shape& shape, const Layout& at, const Real* parameters,
                     const Real* __restrict turned, const Real* __restrict in,
                     Real* __restrict out, int8_t* __restrict places) {
  const int row = shape.framed_row1();
  // A sum waits for the one before it, so a processor needs about eight in flight: the four places
  // of a window in two vectors each, or with vectors of a whole block, for all channels at once.
  constexpr int together = kVectors == 1 ? kSecond / kBlock : 1;
  for (int half = 0; half < kSecond / kBlock; half += together) {
    Block biases[together];
    for (int h = 0; h < together; h++)
      biases[h] = load_block(parameters + at.second_bias + (half + h) * kBlock);
    const Real* weights = turned + half * kSecondTaps * kBlock;
    for (int y = 0; y < shape.height2; y++)
      for (int x = 0; x < shape.width2; x++) {
        Block sums[together][kWindow];
        UNROLL
        for (int h = 0; h < together; h++)
          UNROLL
          for (int p = 0; p < kWindow; p++) sums[h][p] = biases[h];
        const Real* corner = in + 2 * y * row + 2 * x * kFirst;
        for (int ky = 0; ky < 3; ky++) {
          const Real* upper = corner + ky * row;
          const Real* lower = upper + row;
          const Real* of_row = weights + ky * 3 * kFirst * kBlock;
          // three neighbours with their channels stand in a row, and the window's right places
          // begin one neighbour further
#pragma GCC unroll 4
          for (int i = 0; i < 3 * kFirst; i++)
            UNROLL
            for (int h = 0; h < together; h++) {
              const Block weight = load_block(of_row + (h * kSecondTaps + i) * kBlock);
              add_product(sums[h][0], upper[i], weight);
              add_product(sums[h][1], upper[i + kFirst], weight);
              add_product(sums[h][2], lower[i], weight);
              add_product(sums[h][3], lower[i + kFirst], weight);
            }
        }
        UNROLL
        for (int h = 0; h < together; h++) {
          const int to = (y * shape.width2 + x) * kSecond + (half + h) * kBlock;
          pool<with_places>(sums[h], out + to, places + to);
        }
      }
  }
}

// Which of 32 channels have their winner at this place: one bit each.
INLINE uint32_t find_winners(const int8_t* places, int place) {
  uint32_t winners = 0;
  UNROLL
  for (int part = 0; part < kSecond / 8; part++) {
    uint64_t eight;
    __builtin_memcpy(&eight, places + part * 8, 8);
    // Places are below 8, so adding 0x7f to each byte carries into its top bit unless it is zero.
    eight ^= (uint64_t)place * 0x0101010101010101u;
    const uint64_t equal = ~(eight + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u;
    // and this gathers the eight top bits into one byte
    winners |= (uint32_t)(((equal >> 7) * 0x0102040810204080u) >> 56) << (part * 8);
  }
  return winners;
}

// For each channel of the second convolution, where its gradient is not zero: the input that its
// taps lie over there, and the gradient itself. Gathered over a few images, so that the weights'
// gradients of a channel are then summed in registers.
struct Winners {
  int capacity;      // of each channel
  int* counts;       // [kSecond]
  int* corners;      // [kSecond][capacity]
  Real* gradients;   // [kSecond][capacity]
};

// The gradient of the second convolution's input, from that of its output [..][kSecond]; those of
// its own weights are noted in `winners`, the image's map standing at `base` among all maps.
void spread_second(const Shape& shape, const Layout& at, const Real* parameters,
                   const Real* __restrict gradient, const int8_t* __restrict places, Real scale,
                   int base, Real* __restrict of_input, Winners& winners) {
  const int row = shape.framed_row1();
  const Real* __restrict weights = parameters + at.second;
  __builtin_memset(of_input, 0, sizeof(Real) * shape.framed1());
  for (int y = 0; y < shape.height2; y++)
    for (int x = 0; x < shape.width2; x++) {
      const int from = (y * shape.width2 + x) * kSecond;
      const Real* of_channels = gradient + from;
      for (int p = 0; p < kWindow; p++) {
        const uint32_t here = find_winners(places + from, p);
        if (!here) continue;
        const int corner = (2 * y + p / 2) * row + (2 * x + p % 2) * kFirst;
        Real* __restrict to = of_input + corner;
        // nine taps of a vector of input channels stay in registers over all winning channels
        for (int v = 0; v < kVectors; v++) {
          Vector sums[kTaps];
          UNROLL
          for (int tap = 0; tap < kTaps; tap++)
            sums[tap] = load(to + tap / 3 * row + tap % 3 * kFirst + v * kLanes);
          for (uint32_t left = here; left; left &= left - 1) {
            const int channel = __builtin_ctz(left);
            const Vector factor = fill(of_channels[channel] * scale);
            const Real* weight = weights + channel * kSecondTaps + v * kLanes;
            UNROLL
            for (int tap = 0; tap < kTaps; tap++)
              sums[tap] += factor * load(weight + tap * kFirst);
          }
          UNROLL
          for (int tap = 0; tap < kTaps; tap++)
            store(to + tap / 3 * row + tap % 3 * kFirst + v * kLanes, sums[tap]);
        }
        for (uint32_t left = here; left; left &= left - 1) {
          const int channel = __builtin_ctz(left);
          const int slot = channel * winners.capacity + winners.counts[channel]++;
          winners.corners[slot] = base + corner;
          winners.gradients[slot] = of_channels[channel] * scale;
        }
      }
    }
}

// Adds what was noted in `winners` to the gradients of the second convolution, and empties it.
void sum_second(const Shape& shape, const Layout& at, const Real* __restrict maps,
                Winners& winners, Real* __restrict gradients) {
  const int row = shape.framed_row1();
  for (int channel = 0; channel < kSecond; channel++) {
    const int count = winners.counts[channel];
    const int* corners = winners.corners + channel * winners.capacity;
    const Real* factors = winners.gradients + channel * winners.capacity;
    winners.counts[channel] = 0;
    Real bias = 0;
    for (int i = 0; i < count; i++) bias += factors[i];
    gradients[at.second_bias + channel] += bias;
    Real* to = gradients + at.second + channel * kSecondTaps;
    for (int v = 0; v < kVectors; v++) {
      Vector sums[kTaps];
      UNROLL
      for (int tap = 0; tap < kTaps; tap++) sums[tap] = load(to + tap * kFirst + v * kLanes);
      for (int i = 0; i < count; i++) {
        const Vector factor = fill(factors[i]);
        const Real* corner = maps + corners[i] + v * kLanes;
        UNROLL
        for (int tap = 0; tap < kTaps; tap++)
          sums[tap] += factor * load(corner + tap / 3 * row + tap % 3 * kFirst);
      }
      UNROLL
      for (int tap = 0; tap < kTaps; tap++) store(to + tap * kFirst + v * kLanes, sums[tap]);
    }
  }
}

// Adds an image's gradients of the first convolution, given that of its framed pooled map. Each
// channel of a window has its winner elsewhere, so all four places are visited with the others
// masked; a vector of channels is summed in registers over the whole image.
void sum_first(const Shape& shape, const Layout& at, const Real* __restrict image,
               const int8_t* __restrict places, const Real* __restrict gradient,
               Real* __restrict gradients) {
  const int row = shape.framed_row();
  for (int channel = 0; channel < shape.channels; channel++)
    for (int v = 0; v < kVectors; v++) {
      Real* to = gradients + at.first + channel * kTaps * kFirst + v * kLanes;
      Vector sums[kTaps];
      Vector bias = {};
      UNROLL
      for (int tap = 0; tap < kTaps; tap++) sums[tap] = load(to + tap * kFirst);
      for (int y = 0; y < shape.height1; y++)
        for (int x = 0; x < shape.width1; x++) {
          const Vector here = load(gradient + (y + 1) * shape.framed_row1() + (x + 1) * kFirst +
                                   v * kLanes);
          const Mask place = load_bytes(places + (y * shape.width1 + x) * kFirst + v * kLanes);
          const Real* corner = image + channel * shape.framed_plane() + 2 * y * row + 2 * x;
          bias += keep(place != kNowhere, here);
          UNROLL
          for (int p = 0; p < kWindow; p++) {
            const Vector of_place = keep(place == p, here);
            UNROLL
            for (int tap = 0; tap < kTaps; tap++)
              sums[tap] += corner[(tap / 3 + p / 2) * row + tap % 3 + p % 2] * of_place;
          }
        }
      UNROLL
      for (int tap = 0; tap < kTaps; tap++) store(to + tap * kFirst, sums[tap]);
      if (channel == 0) {
        Real* of_bias = gradients + at.first_bias + v * kLanes;
        store(of_bias, load(of_bias) + bias);
      }
    }
}

}  // namespace
