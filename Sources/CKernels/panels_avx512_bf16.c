#include "panels.h"

#if defined(__x86_64__)
// Two products of bfloat16 a lane.
#define ROWS 14
#define LANES 16
#define SLOT PAIR
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma,avx512bf16")))
#define TABLE ck_panels_avx512_bf16
#include "panels_template.h"
#endif
