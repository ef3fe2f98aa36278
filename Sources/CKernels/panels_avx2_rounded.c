#include "panels.h"

#if defined(__x86_64__)
// Products of bfloat16 by float32 instructions.
#define ROWS 6
#define LANES 8
#define SLOT ROUNDED
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE ck_panels_avx2_rounded
#include "panels_template.h"
#endif
