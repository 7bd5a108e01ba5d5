// For x86 processors with AVX512.
#if defined(__x86_64__)
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "interface.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")
#endif
#define LRDECAY_REAL float
#define LRDECAY_LANES 16
#define LRDECAY_KERNEL lrdecay_avx512
#include "kernel.hpp"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
