// float32 maps: y[i] = f(x[i]), and y[i] = f(a[i], b[i]) with either side a single number.
// Input and output may be the same memory.
#pragma once
#include "ck_base.h"

void ck_exp_f32(const float *x, float *y, size_t n);
void ck_log_f32(const float *x, float *y, size_t n);
void ck_erf_f32(const float *x, float *y, size_t n);
void ck_tanh_f32(const float *x, float *y, size_t n);
void ck_sigmoid_f32(const float *x, float *y, size_t n);
void ck_silu_f32(const float *x, float *y, size_t n);
void ck_gelu_f32(const float *x, float *y, size_t n);
void ck_gelu_tanh_f32(const float *x, float *y, size_t n);
void ck_sqrt_f32(const float *x, float *y, size_t n);
void ck_reciprocal_f32(const float *x, float *y, size_t n);
void ck_relu_f32(const float *x, float *y, size_t n);
void ck_neg_f32(const float *x, float *y, size_t n);
void ck_abs_f32(const float *x, float *y, size_t n);

// x · sigmoid(alpha · x)
void ck_swish_f32(const float *x, float *y, size_t n, float alpha);
// Gradients: dx = f'(x) · dy for swish and both forms of GELU.
void ck_swish_gradient_f32(const float *x, const float *dy, float *dx, size_t n, float alpha);
void ck_gelu_gradient_f32(const float *x, const float *dy, float *dx, size_t n);
void ck_gelu_tanh_gradient_f32(const float *x, const float *dy, float *dx, size_t n);
// min(max(x, low), high); NaN stays NaN.
void ck_clip_f32(const float *x, float *y, size_t n, float low, float high);

// Suffixes: vv both are arrays, vs b is one number, sv a is one number.
void ck_add_vv(const float *a, const float *b, float *y, size_t n);
void ck_add_vs(const float *a, const float *b, float *y, size_t n);
void ck_add_sv(const float *a, const float *b, float *y, size_t n);
void ck_sub_vv(const float *a, const float *b, float *y, size_t n);
void ck_sub_vs(const float *a, const float *b, float *y, size_t n);
void ck_sub_sv(const float *a, const float *b, float *y, size_t n);
void ck_mul_vv(const float *a, const float *b, float *y, size_t n);
void ck_mul_vs(const float *a, const float *b, float *y, size_t n);
void ck_mul_sv(const float *a, const float *b, float *y, size_t n);
void ck_div_vv(const float *a, const float *b, float *y, size_t n);
void ck_div_vs(const float *a, const float *b, float *y, size_t n);
void ck_div_sv(const float *a, const float *b, float *y, size_t n);
void ck_min_vv(const float *a, const float *b, float *y, size_t n);
void ck_min_vs(const float *a, const float *b, float *y, size_t n);
void ck_min_sv(const float *a, const float *b, float *y, size_t n);
void ck_max_vv(const float *a, const float *b, float *y, size_t n);
void ck_max_vs(const float *a, const float *b, float *y, size_t n);
void ck_max_sv(const float *a, const float *b, float *y, size_t n);

// Between storage types; 16-bit floats are given as their bits. To 16 bits rounds to nearest even.
void ck_f16_to_f32(const uint16_t *x, float *y, size_t n);
void ck_f32_to_f16(const float *x, uint16_t *y, size_t n);
void ck_bf16_to_f32(const uint16_t *x, float *y, size_t n);
void ck_f32_to_bf16(const float *x, uint16_t *y, size_t n);

// y = (x - zero) * scale; `scale` and `zero`, which may be NULL, move by `step`, 0 or 1, from one element to the next.
void ck_dequantize_s8(const int8_t *x, float *y, size_t n, const float *scale, const float *zero, size_t step);
void ck_dequantize_u8(const uint8_t *x, float *y, size_t n, const float *scale, const float *zero, size_t step);

// The largest |x|; and y[i] = max(y[i], |x[i]|). What is not a number stays so.
float ck_peak_f32(const float *x, size_t n);
void ck_peaks_f32(const float *x, size_t n, float *y);

// y = x * inverse to the nearest integer, which must be within -128 and 127; `inverse` moves by `step`, 0 or 1.
void ck_quantize_s8(const float *x, int8_t *y, size_t n, const float *inverse, size_t step);
