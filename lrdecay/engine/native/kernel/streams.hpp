// The random streams of lrdecay/components/rng.py, to the bit: SplitMix64, whose output i is a mix
// of key + (i + 1) * gamma, so that it needs none of those before it.
#pragma once

namespace {

constexpr uint64_t kGamma = 0x9E3779B97F4A7C15u;

INLINE uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

INLINE uint64_t derive_key(uint64_t key, uint64_t counter) {
  return mix(key + (counter + 1) * kGamma);
}

// Dropout at one step: an element is kept where its uniform is not below the threshold.
struct Dropout {
  bool active;
  uint64_t step_key;
  int32_t threshold;  // the rate on the scale of int32
  Real scale;         // 1 / (1 - rate)

  // Draws the uniforms of a layer, two from each output of its stream.
  void draw(int layer, int64_t count, uint64_t* bits) const {
    const uint64_t key = derive_key(step_key, layer);
    for (int64_t i = 0; i < (count + 1) / 2; i++) bits[i] = mix(key + (uint64_t)(i + 1) * kGamma);
  }
};

}  // namespace
