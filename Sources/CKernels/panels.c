#include "panels.h"

const ck_panels *ck_panels_available(ptrdiff_t index) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && index-- == 0)
    return &ck_panels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && index-- == 0) return &ck_panels_avx2;
#endif
  return NULL;
}
