// A run's network with all its working memory, which is one piece.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __asan_poison_memory_region(const volatile void* start, size_t bytes);
#endif

namespace {

constexpr int kEvaluated = 64;      // images of an evaluation that pass the linear layers together
constexpr int kNearNumbers = 6144;  // of the first layer's maps: as many as stay in the near cache

// Hands out parts of one piece of memory, each at the start of a cache line; with no memory yet it
// only counts. The gaps between parts are at least a cache line, which the address sanitizer guards.
class Arena {
 public:
  explicit Arena(char* start) : start_(start) {}
  template <class T> void take(T*& part, int64_t count) {
    part = reinterpret_cast<T*>(start_ ? start_ + used_ : nullptr);
    const int64_t taken = (count * (int64_t)sizeof(T) + 127) / 64 * 64;
#if defined(__SANITIZE_ADDRESS__)
    if (start_) __asan_poison_memory_region(part + count, taken - count * sizeof(T));
#endif
    used_ += taken;
  }
  int64_t used() const { return used_; }

 private:
  char* start_;
  int64_t used_ = 0;
};

struct Network {
  Shape shape;
  Layout at;
  int batch;   // the most images of a step
  int nearby;  // images whose winners are gathered before they are summed

  Real* image;             // framed, of the image at hand
  Real* turned;            // the second convolution's weights as its forward pass reads them
  Strip strip;             // of that pass, by Winograd's algorithm
  Real* maps1;             // [batch][framed1]
  int8_t* places1;         // [batch][positions1][kFirst]
  Real* maps2;             // [batch][features], after dropout
  int8_t* places2;         // [batch][features]
  Real* hidden;            // [batch][kHidden], after ReLU and dropout
  Real* passes;            // [batch][kHidden], what a hidden gradient is multiplied by
  Real* logits;            // [batch][outputs]
  Real* exponentials;      // [outputs]
  Real* of_logits;         // gradients, of the same shapes
  Real* of_hidden;
  Real* of_maps2;
  Real* of_map1;           // of one image
  Real* block;             // 16 features' weights of the hidden layer, or the last layer's, turned
  uint64_t* bits;          // the uniforms of a layer
  Winners winners;

  Network(int channels, int height, int width, int classes, int batch)
      : shape(channels, height, width, classes), at(shape),
        batch(batch > kEvaluated ? batch : kEvaluated) {
    nearby = kNearNumbers / shape.framed1() > 1 ? kNearNumbers / shape.framed1() : 1;
    winners.capacity = nearby * shape.positions2();
  }

  // Lays out the memory for everything; returns how many bytes it takes.
  int64_t lay_out(char* memory) {
    Arena arena(memory);
    const int64_t n = batch;
    arena.take(image, shape.channels * shape.framed_plane());
    arena.take(turned, kSecond * kFirst * (has_winograd(shape) ? kPoints : kTaps));
    const int transformed = has_winograd(shape) ? kPoints * kStrip : 0;
    arena.take(strip.tiles, transformed * kFirst);
    arena.take(strip.products, transformed * kSecond);
    arena.take(maps1, n * shape.framed1());
    arena.take(places1, n * shape.positions1() * kFirst);
    arena.take(maps2, n * shape.features);
    arena.take(places2, n * shape.features);
    arena.take(hidden, n * kHidden);
    arena.take(passes, n * kHidden);
    arena.take(logits, n * shape.outputs);
    arena.take(exponentials, shape.outputs);
    arena.take(of_logits, n * shape.outputs);
    arena.take(of_hidden, n * kHidden);
    arena.take(of_maps2, n * shape.features);
    arena.take(of_map1, shape.framed1());
    arena.take(block, kHidden * shape.outputs);
    arena.take(bits, (n * (shape.features > kHidden ? shape.features : kHidden) + 1) / 2);
    arena.take(winners.counts, kSecond);
    arena.take(winners.corners, kSecond * winners.capacity);
    arena.take(winners.gradients, kSecond * winners.capacity);
    return arena.used();
  }
};

}  // namespace
