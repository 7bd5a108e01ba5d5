// For x86 processors with AVX2 and FMA.
#if defined(__x86_64__)
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "interface.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define LRDECAY_REAL float
#define LRDECAY_LANES 8
#define LRDECAY_KERNEL lrdecay_avx2
#include "kernel.hpp"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
