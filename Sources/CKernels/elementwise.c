#include "ck_elementwise.h"

#include "ck_math.h"

#define UNARY(name, expression)                                   \
  CK_DISPATCH void name(const float *a, float *y, size_t n) {     \
    CK_LOOP for (size_t i = 0; i < n; i++) {                      \
      const float x = a[i];                                       \
      y[i] = (expression);                                        \
    }                                                             \
  }

UNARY(ck_exp_f32, ck_exp(x))
UNARY(ck_log_f32, ck_log(x))
UNARY(ck_erf_f32, ck_erf(x))
UNARY(ck_tanh_f32, ck_tanh(x))
UNARY(ck_sigmoid_f32, ck_sigmoid(x))
// -inf · 0 would be NaN where the limit is 0.
UNARY(ck_silu_f32, x < -200.0f ? -0.0f : x * ck_sigmoid(x))
UNARY(ck_gelu_f32, ck_gelu(x))
UNARY(ck_gelu_tanh_f32, ck_gelu_tanh(x))
UNARY(ck_sqrt_f32, __builtin_elementwise_sqrt(x))
UNARY(ck_reciprocal_f32, 1.0f / x)
UNARY(ck_relu_f32, x < 0.0f ? 0.0f : x)
UNARY(ck_neg_f32, -x)
UNARY(ck_abs_f32, ck_abs(x))

CK_DISPATCH void ck_swish_f32(const float *x, float *y, size_t n, float alpha) {
  CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = x[i] * ck_sigmoid(alpha * x[i]); }
}

CK_DISPATCH void ck_swish_gradient_f32(
  const float *x, const float *dy, float *dx, size_t n, float alpha) {
  CK_LOOP for (size_t i = 0; i < n; i++) { dx[i] = dy[i] * ck_swish_slope(alpha * x[i]); }
}

CK_DISPATCH void ck_gelu_gradient_f32(const float *x, const float *dy, float *dx, size_t n) {
  CK_LOOP for (size_t i = 0; i < n; i++) { dx[i] = dy[i] * ck_gelu_slope(x[i]); }
}

CK_DISPATCH void ck_gelu_tanh_gradient_f32(const float *x, const float *dy, float *dx, size_t n) {
  CK_LOOP for (size_t i = 0; i < n; i++) { dx[i] = dy[i] * ck_gelu_tanh_slope(x[i]); }
}

CK_DISPATCH void ck_clip_f32(const float *x, float *y, size_t n, float low, float high) {
  CK_LOOP for (size_t i = 0; i < n; i++) {
    float value = x[i];
    value = value < low ? low : value;
    y[i] = value > high ? high : value;
  }
}

#define BINARY(name, expression)                                                       \
  CK_DISPATCH void ck_##name##_vv(const float *a, const float *b, float *y, size_t n) { \
    CK_LOOP for (size_t i = 0; i < n; i++) {                                           \
      const float p = a[i], q = b[i];                                                  \
      y[i] = (expression);                                                             \
    }                                                                                  \
  }                                                                                    \
  CK_DISPATCH void ck_##name##_vs(const float *a, const float *b, float *y, size_t n) { \
    const float q = *b;                                                                \
    CK_LOOP for (size_t i = 0; i < n; i++) {                                           \
      const float p = a[i];                                                            \
      y[i] = (expression);                                                             \
    }                                                                                  \
  }                                                                                    \
  CK_DISPATCH void ck_##name##_sv(const float *a, const float *b, float *y, size_t n) { \
    const float p = *a;                                                                \
    CK_LOOP for (size_t i = 0; i < n; i++) {                                           \
      const float q = b[i];                                                            \
      y[i] = (expression);                                                             \
    }                                                                                  \
  }

BINARY(add, p + q)
BINARY(sub, p - q)
BINARY(mul, p * q)
BINARY(div, p / q)
// NaN on either side gives NaN.
BINARY(min, (p != p || p < q) ? p : q)
BINARY(max, (p != p || p > q) ? p : q)

// The widened exponent is corrected by a float multiplication, which also makes denormals exact.
CK_DISPATCH void ck_f16_to_f32(const uint16_t *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t bits = x[i];
    const uint32_t sign = (bits & 0x8000u) << 16;
    const uint32_t rest = bits & 0x7FFFu;
    const float scaled = ck_f32(rest << 13) * 0x1p112f;
    const uint32_t special = (rest << 13) | 0x7F800000u;
    y[i] = ck_f32(sign | (rest >= 0x7C00u ? special : ck_bits32(scaled)));
  }
}

CK_DISPATCH void ck_f32_to_f16(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t bits = ck_bits32(x[i]);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t rest = bits & 0x7FFFFFFFu;
    // Normal: drop 13 bits, ties to even, and re-bias the exponent (112 less).
    const uint32_t normal = (rest + 0xFFFu + ((rest >> 13) & 1u) - 0x38000000u) >> 13;
    // Denormal: adding 0.5 lets the float adder round at the place of 2^-24.
    const uint32_t small = ck_bits32(ck_f32(rest) + 0.5f) - 0x3F000000u;
    uint32_t half = rest < 0x38800000u ? small : normal;
    half = rest >= 0x477FF000u ? 0x7C00u : half;
    half = rest > 0x7F800000u ? 0x7E00u | ((rest >> 13) & 0x3FFu) : half;
    y[i] = (uint16_t)(sign | half);
  }
}

CK_DISPATCH void ck_bf16_to_f32(const uint16_t *x, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) { y[i] = ck_f32((uint32_t)x[i] << 16); }
}

CK_DISPATCH void ck_f32_to_bf16(const float *x, uint16_t *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t bits = ck_bits32(x[i]);
    const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t nan = (bits >> 16) | 0x40u;
    y[i] = (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
  }
}

// (x - zero) * scale; both move by `step`, 0 or 1, from one element to the next.
#define DEQUANTIZE(name, type)                                                                                \
  CK_DISPATCH void name(                                                                                      \
      const type *x, float *y, size_t n, const float *scale, const float *zero, size_t step) {                \
    if (step == 0) {                                                                                          \
      const float s = *scale, z = zero ? *zero : 0.0f;                                                        \
      CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = ((float)x[i] - z) * s; }                                \
    } else if (zero) {                                                                                        \
      CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = ((float)x[i] - zero[i]) * scale[i]; }                   \
    } else {                                                                                                  \
      CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = (float)x[i] * scale[i]; }                               \
    }                                                                                                         \
  }

DEQUANTIZE(ck_dequantize_s8, int8_t)
DEQUANTIZE(ck_dequantize_u8, uint8_t)

// The larger one, or what is no number of the two.
CK_INLINE float ck_larger(float a, float b) { return a != a || b <= a ? a : b; }

CK_DISPATCH float ck_peak_f32(const float *x, size_t n) {
  float peak = 0.0f;
  for (size_t i = 0; i < n; i++) peak = ck_larger(peak, ck_abs(x[i]));
  return peak;
}

CK_DISPATCH void ck_peaks_f32(const float *x, size_t n, float *peaks) {
  CK_LOOP for (size_t i = 0; i < n; i++) { peaks[i] = ck_larger(peaks[i], ck_abs(x[i])); }
}

CK_DISPATCH void ck_quantize_s8(const float *x, int8_t *y, size_t n, const float *inverse, size_t step) {
  // Adding it rounds to an integer, ties to even.
  const float magic = 12582912.0f;
  if (step == 0) {
    const float s = *inverse;
    CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = (int8_t)(int32_t)(x[i] * s + magic - magic); }
  } else {
    CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = (int8_t)(int32_t)(x[i] * inverse[i] + magic - magic); }
  }
}
