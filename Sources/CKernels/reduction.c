#include "ck_reduction.h"

#include "ck_math.h"

// Sixteen lanes in two registers of eight float64; lane i holds the elements i, i + 16, ….
typedef double v8d __attribute__((vector_size(64)));
typedef float v8f __attribute__((vector_size(32), aligned(4)));

#define LANES 16

CK_INLINE double ck_total(const double *lanes) {
  double sum = 0;
  for (int i = 0; i < LANES; i++) { sum += lanes[i]; }
  return sum;
}

// `wide` is a v8d expression of v, `narrow` a double expression of s.
#define ROW_SUM(name, parameters, wide, narrow)                          \
  CK_DISPATCH double name parameters {                                   \
    v8d low = {0}, high = {0};                                           \
    size_t i = 0;                                                        \
    for (; i + LANES <= n; i += LANES) {                                 \
      v8d v = __builtin_convertvector(*(const v8f *)(x + i), v8d);       \
      low += (wide);                                                     \
      v = __builtin_convertvector(*(const v8f *)(x + i + 8), v8d);       \
      high += (wide);                                                    \
    }                                                                    \
    double lanes[LANES];                                                 \
    __builtin_memcpy(lanes, &low, sizeof low);                           \
    __builtin_memcpy(lanes + 8, &high, sizeof high);                     \
    for (size_t k = 0; i < n; i++, k++) {                                \
      const double s = (double)x[i];                                     \
      lanes[k] += (narrow);                                              \
    }                                                                    \
    return ck_total(lanes);                                              \
  }

ROW_SUM(ck_row_sum, (const float *x, size_t n), v, s)
ROW_SUM(ck_row_sum_abs, (const float *x, size_t n), __builtin_elementwise_abs(v),
  __builtin_elementwise_abs(s))
ROW_SUM(ck_row_sum_squares, (const float *x, size_t n), v * v, s * s)
ROW_SUM(ck_row_sum_centered_squares, (const float *x, size_t n, double center),
  (v - center) * (v - center), (s - center) * (s - center))

// The lanes are a plain array here, so that the exponential's integer steps stay in one inner loop. The
// tail is filled up with -inf, whose exponential is 0: rows of 77 spend no time on single elements.
#define EXP_SUM(store)                                                              \
  double lanes[LANES] = {0};                                                        \
  float e[LANES];                                                                   \
  size_t i = 0;                                                                     \
  for (; i + LANES <= n; i += LANES) {                                              \
    CK_LOOP for (size_t k = 0; k < LANES; k++) { e[k] = ck_exp(x[i + k] - shift); } \
    CK_LOOP for (size_t k = 0; k < LANES; k++) { lanes[k] += (double)e[k]; }        \
    for (size_t k = 0; k < LANES; k++) { store(i + k, e[k]); }                      \
  }                                                                                 \
  if (i < n) {                                                                      \
    float rest[LANES];                                                              \
    for (size_t k = 0; k < LANES; k++) {                                            \
      rest[k] = i + k < n ? x[i + k] - shift : -__builtin_inff();                   \
    }                                                                               \
    CK_LOOP for (size_t k = 0; k < LANES; k++) { e[k] = ck_exp(rest[k]); }          \
    CK_LOOP for (size_t k = 0; k < LANES; k++) { lanes[k] += (double)e[k]; }        \
    for (size_t k = 0; i < n; i++, k++) { store(i, e[k]); }                         \
  }                                                                                 \
  return ck_total(lanes);

#define KEEP(index, value) y[index] = (value)
#define DROP(index, value) (void)0

CK_DISPATCH double ck_row_sum_exp(const float *x, size_t n, float shift) { EXP_SUM(DROP) }
CK_DISPATCH double ck_exp_shifted_sum(const float *x, float *y, size_t n, float shift) { EXP_SUM(KEEP) }

#define ROW_EXTREME(name, start, compare)                                   \
  CK_DISPATCH float name(const float *x, size_t n) {                        \
    float lanes[LANES];                                                     \
    uint32_t nan[LANES];                                                    \
    for (int k = 0; k < LANES; k++) { lanes[k] = (start); nan[k] = 0; }     \
    size_t i = 0;                                                           \
    for (; i + LANES <= n; i += LANES) {                                    \
      CK_LOOP for (size_t k = 0; k < LANES; k++) {                          \
        const float v = x[i + k];                                           \
        lanes[k] = v compare lanes[k] ? v : lanes[k];                       \
        nan[k] |= v != v;                                                   \
      }                                                                     \
    }                                                                       \
    for (size_t k = 0; i < n; i++, k++) {                                   \
      lanes[k] = x[i] compare lanes[k] ? x[i] : lanes[k];                   \
      nan[k] |= x[i] != x[i];                                               \
    }                                                                       \
    float best = (start);                                                   \
    uint32_t any = 0;                                                       \
    for (int k = 0; k < LANES; k++) {                                       \
      best = lanes[k] compare best ? lanes[k] : best;                       \
      any |= nan[k];                                                        \
    }                                                                       \
    return any ? __builtin_nanf("") : best;                                 \
  }

ROW_EXTREME(ck_row_max, -__builtin_inff(), >)
ROW_EXTREME(ck_row_min, __builtin_inff(), <)

#define COLUMNS(name, type, expression)                             \
  CK_DISPATCH void name(type *acc, const float *x, size_t n) {      \
    CK_LOOP for (size_t j = 0; j < n; j++) {                        \
      const type a = acc[j], v = (type)x[j];                        \
      acc[j] = (expression);                                        \
    }                                                               \
  }

COLUMNS(ck_columns_add, double, a + v)
COLUMNS(ck_columns_add_abs, double, a + (v < 0 ? -v : v))
COLUMNS(ck_columns_add_squares, double, a + v * v)
COLUMNS(ck_columns_max, float, (a != a || a > v) ? a : v)
COLUMNS(ck_columns_min, float, (a != a || a < v) ? a : v)

CK_DISPATCH void ck_columns_add_exp(double *acc, const float *x, const float *shift, size_t n) {
  CK_LOOP for (size_t j = 0; j < n; j++) { acc[j] += (double)ck_exp(x[j] - shift[j]); }
}

CK_DISPATCH void ck_columns_exp_shifted(
  double *acc, const float *x, float *y, const float *shift, size_t n) {
  CK_LOOP for (size_t j = 0; j < n; j++) {
    const float e = ck_exp(x[j] - shift[j]);
    y[j] = e;
    acc[j] += (double)e;
  }
}
