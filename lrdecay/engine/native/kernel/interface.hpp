// What the rest of lrdecay calls, by ctypes (lrdecay/engine/native/library.py): a table of
// functions, one table for each kind of processor. Pointers to numbers are to float32, and in a
// build for tests to float64; pixels are [images][height][width][channels].
#pragma once

#include <cstdint>

// Grows with any change here, in Layout or in what the kernel computes: a library of another version
// of lrdecay may still stand in its folder.
constexpr int64_t kInterface = 2;

struct LrdecayKernel {
  int64_t interface;     // kInterface
  int64_t number_bytes;  // of a number
  int64_t lanes;         // numbers that one instruction works on

  // Fills nine places of Layout: hidden, first, second, last, first_bias, second_bias, hidden_bias,
  // last_bias, total.
  void (*describe)(int channels, int height, int width, int classes, int64_t* places);

  // Returns a network's working memory for steps of up to `batch` images, or null where there is
  // not enough; `destroy` gives it back. `count_bytes` is how much that is.
  void* (*create)(int channels, int height, int width, int classes, int batch);
  void (*destroy)(void* network);
  int64_t (*count_bytes)(int channels, int height, int width, int classes, int batch);

  // Takes the steps that `count` images in `order` make, `batch` in each, the last one fewer.
  // `optimizer` is 0 for Adam, 1 for AdamW, 2 for SGD, 3 for none: then gradients are the result,
  // of the last step. `rows` holds six float64 for each step. Returns how many steps were taken: it
  // ends early after one whose loss is not finite.
  int64_t (*train)(void* network, void* parameters, void* gradients, void* first, void* second,
                   const void* pixels, const int64_t* labels, const int64_t* order, int64_t count,
                   int64_t batch, uint64_t run_key, int64_t first_step, int drops,
                   int32_t threshold, double scale, int optimizer, const double* rows,
                   double* losses, int64_t* right);

  // Judges `count` images with dropout off: the loss of each, and the class that is likeliest.
  void (*evaluate)(void* network, const void* parameters, const void* pixels,
                   const int64_t* labels, int64_t count, double* losses,
                   int64_t* likeliest);
};

extern const LrdecayKernel lrdecay_portable;
#if defined(__x86_64__)
extern const LrdecayKernel lrdecay_avx2, lrdecay_avx512;
#endif
