#pragma once
#include <ck_panels.h>

#if defined(__x86_64__)
#include <immintrin.h>

// What a slot of a panel is.
#define FLOAT 1
#define ROUNDED 2
#define PAIR 3

extern const ck_panels ck_panels_avx512, ck_panels_avx2;
extern const ck_panels ck_panels_avx512_bf16, ck_panels_avx512_rounded, ck_panels_avx2_rounded;
#endif
