#include "panels.h"

#if defined(__x86_64__)
// 12 of 16 registers hold a panel product.
#define ROWS 6
#define LANES 8
#define SLOT FLOAT
#define TARGET __attribute__((target("avx2,fma")))
#define TABLE ck_panels_avx2
#include "panels_template.h"
#endif
