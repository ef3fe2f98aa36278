#pragma once
#include <ck_panels.h>

#if defined(__x86_64__)
extern const ck_panels ck_panels_avx512, ck_panels_avx2;
#endif
