#pragma once
#include <stdint.h>
#include <string.h>

static inline float ck_float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t ck_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// e^r - 1 for |r| <= ln 2 / 2: r + r^2 q(r), with q a degree-4 fit of its own relative error (3e-9).
static inline float ck_expm1_near(float r) {
#pragma clang fp contract(fast)
  const float q =
      (((0x1.6a2256p-10f * r + 0x1.123b04p-7f) * r + 0x1.5558f8p-5f) * r + 0x1.55549p-3f) * r +
      0x1.fffffcp-2f;
  return (q * r) * r + r;
}

// x 2^n for n from -250 to 254, as two factors: one exponent field reaches from -126 to 127.
static inline float ck_times_power(float x, int32_t n) {
  const int32_t half = n >> 1;
  const float first = ck_float_of_bits((uint32_t)(half + 127) << 23);
  const float second = ck_float_of_bits((uint32_t)(n - half + 127) << 23);
  return (x * first) * second;
}

// e^r and n of x = n ln 2 + r with |r| <= ln 2 / 2.
static inline float ck_exp_parts(float x, int32_t *whole) {
#pragma clang fp contract(fast)
  const float shift = 0x1.8p23f;  // Adding it leaves the nearest integer in the low bits.
  const float shifted = x * 0x1.715476p0f + shift;
  const float n = shifted - shift;
  // ln 2 in two parts: n times the first is exact.
  const float r = (x - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f;
  *whole = (int32_t)(ck_bits_of_float(shifted) - ck_bits_of_float(shift));
  return ck_expm1_near(r) + 1.0f;
}

// e^x within 2 ulp, without branches, so that loops over it vectorise. Below -104 the result is 0, above 88.7 it is
// infinite, and NaN stays NaN.
static inline float ck_expf(float x) {
  float clamped = x < -104.0f ? -104.0f : x;
  clamped = clamped > 89.0f ? 89.0f : clamped;
  int32_t whole;
  const float p = ck_exp_parts(clamped, &whole);
  return ck_times_power(p, whole);
}

// The same for x <= 0, with 0 below -87: one factor does.
static inline float ck_expf_below(float x) {
  int32_t whole;
  const float p = ck_exp_parts(x < -87.0f ? -87.0f : x, &whole);
  return x < -87.0f ? 0.0f : p * ck_float_of_bits((uint32_t)(whole + 127) << 23);
}
