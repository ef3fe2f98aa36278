#include "panels.h"

#if defined(__x86_64__)
// Products of bfloat16 by float32 instructions.
#define ROWS 14
#define LANES 16
#define SLOT ROUNDED
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma")))
#define TABLE ck_panels_avx512_rounded
#include "panels_template.h"
#endif
