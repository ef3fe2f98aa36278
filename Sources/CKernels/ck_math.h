// Branch-free elementary functions, written so that a loop around them vectorises. Those in float32 use no fused
// multiply-add, so that every instruction set gives the same bits, but for GELU, the dearest of them. Those in float64
// do where there is one: what differs is far behind the float32 that they are rounded to. Coefficients are minimax fits
// (relative error as stated).
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "ck_exp.h"

#define CK_INLINE static inline __attribute__((always_inline))

// Iterations are independent even when input and output are the same memory.
#define CK_LOOP _Pragma("clang loop vectorize(assume_safety)")

CK_INLINE float ck_f32(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

CK_INLINE uint32_t ck_bits32(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

CK_INLINE double ck_f64(uint64_t bits) {
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

CK_INLINE uint64_t ck_bits64(double value) {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

CK_INLINE float ck_abs(float x) { return ck_f32(ck_bits32(x) & 0x7FFFFFFFu); }

CK_INLINE float ck_copysign(float size, float sign) {
  return ck_f32((ck_bits32(size) & 0x7FFFFFFFu) | (ck_bits32(sign) & 0x80000000u));
}

// e^x in float32, about 1 ulp; denormal results included. e^x = 2^n e^r with |r| <= ln 2 / 2.
CK_INLINE float ck_exp(float x) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  x = x < -105.0f ? -105.0f : x;
  x = x > 90.0f ? 90.0f : x;
  const float shifted = x * 1.44269504f + magic;
  const int32_t n = (int32_t)(ck_bits32(shifted) - ck_bits32(magic));
  const float whole = shifted - magic;
  const float r = (x - whole * 0.693359375f) - whole * -2.12194440e-4f;
  float q = 0.001381433447f;
  q = q * r + 0.008368850876f;
  q = q * r + 0.04166840081f;
  q = q * r + 0.1666651953f;
  q = q * r + 0.4999999337f;
  const float value = 1.0f + (r + r * r * q);
  return ck_times_power(value, n);
}

// 1 / (1 + e^-x), below 2.5 ulp on both tails.
CK_INLINE float ck_sigmoid(float x) {
  const float e = ck_exp(-ck_abs(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

CK_INLINE float ck_tanh(float x) {
  const float a = ck_abs(x);
  const float z = x * x;
  float p = 0.002231065567f;
  p = p * z + -0.008267092636f;
  p = p * z + 0.02173444055f;
  p = p * z + -0.05395247575f;
  p = p * z + 0.1333324779f;
  p = p * z + -0.3333333178f;
  const float small = x + x * z * p;
  const float large = 1.0f - 2.0f / (ck_exp(a + a) + 1.0f);
  return a < 0.6f ? small : ck_copysign(large, x);
}

// e^z in float64 for z <= 0, relative error 6e-11; results below e^-700 are 0.
CK_INLINE double ck_exp64(double z) {
#pragma clang fp contract(fast)
  const double magic = 6755399441055744.0;  // 1.5 * 2^52
  const double clamped = z < -700.0 ? -700.0 : z;
  const double shifted = clamped * 1.4426950408889634 + magic;
  const uint64_t n = ck_bits64(shifted) - ck_bits64(magic);
  const double whole = shifted - magic;
  const double r = clamped - whole * 0.69314718055994531;
  double q = 1.9790330344616157e-4;
  q = q * r + 1.394467330740951e-3;
  q = q * r + 8.333497153767586e-3;
  q = q * r + 4.166629476520682e-2;
  q = q * r + 0.16666665868347855;
  q = q * r + 0.5000000067731663;
  const double value = (1.0 + (r + r * r * q)) * ck_f64((n + 1023) << 52);
  return z < -700.0 ? 0.0 : value;
}

// erfc(a) for a >= 0, relative error 2e-9: e^(-a²) t P(t), t = 1 / (1 + 0.4 a), fitted up to a = 10.5.
// `square` is a².
CK_INLINE double ck_erfc64(double a, double square) {
#pragma clang fp contract(fast)
  const double t = 1.0 / (1.0 + 0.4 * a);
  double p = -0.0192507112556616935;
  p = p * t + 0.0827556341074498496;
  p = p * t + -0.089466751510119345;
  p = p * t + -0.0748710509880360332;
  p = p * t + 0.149165675384613136;
  p = p * t + -0.0357601279491859033;
  p = p * t + 0.167818403552882731;
  p = p * t + 0.158633039338564387;
  p = p * t + 0.209827759455918779;
  p = p * t + 0.22546350626895028;
  p = p * t + 0.22568462161519254;
  return ck_exp64(-square) * t * p;
}

// erf(x), correctly rounded but for rare ties; the part near 0 has relative error 1e-13.
CK_INLINE float ck_erf(float x) {
#pragma clang fp contract(fast)
  const double v = (double)x;
  const double z = v * v;
  double p = 0.000108239336904235391;
  p = p * z + -0.000850685172740494543;
  p = p * z + 0.0052232781329485497;
  p = p * z + -0.0268661098551915291;
  p = p * z + 0.112837914189381723;
  p = p * z + -0.376126388992625632;
  p = p * z + 1.12837916709541294;
  const double a = v < 0.0 ? -v : v;
  const double tail = 1.0 - ck_erfc64(a, z);
  const double signedTail = v < 0.0 ? -tail : tail;
  return (float)(z < 0.25 ? v * p : signedTail);
}

// x Φ(x) in float32: with fused multiply-adds below 6 ulp down to the smallest numbers, 1.1 ulp above x = 2. It is one of
// the kernels that decide how long a small model takes. With a = |x|, Φ(-a) = e^(-a²/2) t P(t), t = 1 / (1 + 0.35 a),
// relative error 3e-8 up to a = 14.6, where the result is 0. What a² loses by rounding would be e's relative error:
// a² = h² + (a - h) (a + h), where h² is exact.
CK_INLINE float ck_gelu(float x) {
#pragma clang fp contract(fast)
  const float shift = 0x1.8p23f;  // Adding it leaves the nearest integer in the low bits.
  float a = ck_abs(x);
  a = a > 16.0f ? 16.0f : a;
  const float high = ck_f32(ck_bits32(a) & 0xFFFFF000u);
  const float square = high * high * -0.5f;
  const float rest = (a - high) * (a + high) * -0.5f;
  // -a²/2 = n ln 2 + r, as in ck_exp_parts.
  const float shifted = (square + rest) * 0x1.715476p0f + shift;
  const int32_t n = (int32_t)(ck_bits32(shifted) - ck_bits32(shift));
  const float whole = shifted - shift;
  const float r = ((square - whole * 0x1.62ep-1f) + rest) - whole * 0x1.0bfbe8p-15f;
  const float t = 1.0f / (1.0f + 0.35f * a);
  float p = -0.029159479f;
  p = p * t + 0.144038819f;
  p = p * t + -0.255855658f;
  p = p * t + 0.159339138f;
  p = p * t + -0.0232260565f;
  p = p * t + 0.105558452f;
  p = p * t + 0.119819739f;
  p = p * t + 0.139863735f;
  p = p * t + 0.139621294f;
  const float value = t * p;
  const float scaled = value + value * ck_expm1_near(r);
  const float y = x < 0.0f ? ck_times_power(x * scaled, n) : x * (1.0f - ck_times_power(scaled, n));
  // -inf · 0 would be NaN where the limit is 0.
  return x < -16.0f ? -0.0f : y;
}

// x / (1 + e^(-2u)), u = √(2/π) (x + 0.044715 x³): GELU's tanh form, in float64 up to the rounding.
CK_INLINE float ck_gelu_tanh(float x) {
#pragma clang fp contract(fast)
  const double v = (double)x;
  const double u = 1.5957691216057308 * (v + 0.044715 * v * v * v);
  const double e = ck_exp64(u < 0.0 ? u : -u);
  const double share = (u < 0.0 ? e : 1.0) / (1.0 + e);
  return v < -40.0 ? -0.0f : (float)(v * share);
}

// The slope of z sigmoid(z). Far out it is 0 or 1, and infinity times 0 is no number.
CK_INLINE float ck_swish_slope(float z) {
  z = z < -110.0f ? -110.0f : z;
  z = z > 110.0f ? 110.0f : z;
  const float e = ck_exp(-ck_abs(z));
  const float inverse = 1.0f / (1.0f + e);
  return (z < 0.0f ? e : 1.0f) * inverse + z * e * inverse * inverse;
}

// The slope of GELU: Φ(x) + x φ(x), in float64 up to the rounding.
CK_INLINE float ck_gelu_slope(float x) {
#pragma clang fp contract(fast)
  double v = (double)x;
  v = v < -40.0 ? -40.0 : v;
  v = v > 40.0 ? 40.0 : v;
  const double a = v < 0.0 ? -v : v;
  const double q = 0.5 * ck_erfc64(a * 0.70710678118654752440, 0.5 * v * v);
  return (float)((v < 0.0 ? q : 1.0 - q) + v * 0.39894228040143267794 * ck_exp64(-0.5 * v * v));
}

// The slope of its tanh form, x sigmoid(u).
CK_INLINE float ck_gelu_tanh_slope(float x) {
#pragma clang fp contract(fast)
  double v = (double)x;
  v = v < -40.0 ? -40.0 : v;
  v = v > 40.0 ? 40.0 : v;
  const double u = 1.5957691216057308 * (v + 0.044715 * v * v * v);
  const double e = ck_exp64(u < 0.0 ? u : -u);
  const double inverse = 1.0 / (1.0 + e);
  const double rise = 1.5957691216057308 * (1.0 + 0.134145 * v * v);
  return (float)((u < 0.0 ? e : 1.0) * inverse + v * rise * e * inverse * inverse);
}

// ln x through float64: x = 2^e m, ln m = 2 artanh((m - 1) / (m + 1)).
CK_INLINE float ck_log(float x) {
  const uint64_t bits = ck_bits64((double)x);
  // The exponent becomes a double without an integer conversion: 2^52 + k holds k in its low bits.
  const uint64_t k = (bits >> 52) & 0x7FF;
  double e = ck_f64(k | 0x4330000000000000u) - 4503599627370496.0 - 1023.0;
  double m = ck_f64((bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
  const int upper = m > 1.4142135623730951;
  m = upper ? 0.5 * m : m;
  e = upper ? e + 1.0 : e;
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  p = p * z + 1.0;
  float result = (float)(e * 0.69314718055994530942 + 2.0 * s * p);
  const float infinity = __builtin_inff();
  result = x == 0.0f ? -infinity : result;
  result = x < 0.0f ? __builtin_nanf("") : result;
  return (x == infinity || x != x) ? x : result;
}
