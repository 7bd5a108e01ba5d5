// The one function that the library exports: a kernel by its name.
#include <cstring>

#include "interface.hpp"

// Returns the table of `portable`, `avx2` or `avx512`, or null where this processor cannot run it.
extern "C" __attribute__((visibility("default"))) const LrdecayKernel* lrdecay_find_kernel(
    const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (!std::strcmp(name, "avx512")) return has_avx512 ? &lrdecay_avx512 : nullptr;
  if (!std::strcmp(name, "avx2")) return has_avx2 ? &lrdecay_avx2 : nullptr;
#endif
  return std::strcmp(name, "portable") ? nullptr : &lrdecay_portable;
}
