// What one instruction works on: vectors of kLanes numbers, by the vector extensions of GCC and
// Clang, so that the same text serves every processor; and blocks, which are the 16 channels that
// stand side by side in memory everywhere here, in as many vectors as they take.
//
// Included by one file per kind of processor, which says what Real and kLanes are. All names are
// local to that file: each kind has machine code of its own.
#pragma once

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#define INLINE inline __attribute__((always_inline))

namespace {

template <int bytes> struct WholeOf;
template <> struct WholeOf<4> { using Type = int32_t; };
template <> struct WholeOf<8> { using Type = int64_t; };

using Real = LRDECAY_REAL;
using Whole = WholeOf<sizeof(Real)>::Type;

constexpr int kLanes = LRDECAY_LANES;
constexpr int kBlock = 16;
constexpr int kVectors = kBlock / kLanes;

typedef Real Vector __attribute__((vector_size(kLanes * sizeof(Real))));
typedef Whole Mask __attribute__((vector_size(kLanes * sizeof(Whole))));
typedef int16_t Halves __attribute__((vector_size(2 * kLanes)));
typedef int8_t Bytes __attribute__((vector_size(kLanes)));

INLINE Vector load(const Real* from) {
  Vector loaded;
  __builtin_memcpy(&loaded, from, sizeof loaded);
  return loaded;
}

INLINE void store(Real* to, Vector values) { __builtin_memcpy(to, &values, sizeof values); }

INLINE Vector fill(Real value) { return value - Vector{}; }

INLINE Mask fill_places(Whole value) { return value - Mask{}; }

// Between bytes and a mask's numbers by way of 16 bits: GCC converts at once number by number.
INLINE Mask load_bytes(const int8_t* from) {
  Bytes loaded;
  __builtin_memcpy(&loaded, from, sizeof loaded);
  return __builtin_convertvector(__builtin_convertvector(loaded, Halves), Mask);
}

INLINE void store_bytes(int8_t* to, Mask values) {
  const Bytes narrow = __builtin_convertvector(__builtin_convertvector(values, Halves), Bytes);
  __builtin_memcpy(to, &narrow, sizeof narrow);
}

// The values where the mask is set, and zero elsewhere.
INLINE Vector keep(Mask mask, Vector values) { return mask ? values : Vector{}; }

INLINE Vector root(Vector squares) {
  UNROLL
  for (int lane = 0; lane < kLanes; lane++) squares[lane] = std::sqrt(squares[lane]);
  return squares;
}

struct Block {
  Vector part[kVectors];
};

INLINE Block load_block(const Real* from) {
  Block block;
  UNROLL
  for (int v = 0; v < kVectors; v++) block.part[v] = load(from + v * kLanes);
  return block;
}

INLINE void store_block(Real* to, const Block& block) {
  UNROLL
  for (int v = 0; v < kVectors; v++) store(to + v * kLanes, block.part[v]);
}

// sum += factor * block, fused into one rounding where the processor can.
INLINE void add_product(Block& sum, Real factor, const Block& block) {
  UNROLL
  for (int v = 0; v < kVectors; v++) sum.part[v] += factor * block.part[v];
}

}  // namespace
