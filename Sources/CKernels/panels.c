#include "panels.h"

const ck_panels *ck_panels_available(int bfloat16, ptrdiff_t index) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (bfloat16 && avx512 && __builtin_cpu_supports("avx512bf16") && index-- == 0) return &ck_panels_avx512_bf16;
  if (avx512 && index-- == 0) return bfloat16 ? &ck_panels_avx512_rounded : &ck_panels_avx512;
  if (avx2 && index-- == 0) return bfloat16 ? &ck_panels_avx2_rounded : &ck_panels_avx2;
#endif
  return NULL;
}
