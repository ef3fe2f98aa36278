#include "panels.h"

#if defined(__x86_64__)
// 28 of 32 registers hold a panel product.
#define ROWS 14
#define LANES 16
#define SLOT FLOAT
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma")))
#define TABLE ck_panels_avx512
#include "panels_template.h"
#endif
