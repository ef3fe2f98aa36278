#include "ck_attention.h"

#include <math.h>

#include "ck_exp.h"

// Partial results are kept in as many lanes as the widest vector has, so that the order of additions is the
// same for every instruction set.
enum { lanes = 16 };

static inline __attribute__((always_inline)) float row_max(const float *x, ptrdiff_t count, float floor) {
  float best[lanes];
  for (int l = 0; l < lanes; l++) best[l] = floor;
  ptrdiff_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) best[l] = x[i + l] > best[l] ? x[i + l] : best[l];
  for (; i < count; i++) best[0] = x[i] > best[0] ? x[i] : best[0];
  for (int l = 1; l < lanes; l++) best[0] = best[l] > best[0] ? best[l] : best[0];
  return best[0];
}

static inline __attribute__((always_inline)) float row_exp_sum(float *x, ptrdiff_t count, float max) {
  float part[lanes] = {0};
  ptrdiff_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) {
      const float e = ck_expf(x[i + l] - max);
      x[i + l] = e;
      part[l] += e;
    }
  for (; i < count; i++) {
    const float e = ck_expf(x[i] - max);
    x[i] = e;
    part[0] += e;
  }
  for (int width = lanes / 2; width > 0; width /= 2)
    for (int l = 0; l < width; l++) part[l] += part[l + width];
  return part[0];
}

CK_DISPATCH void ck_softmax_piece(
    float *scores, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *max, float *sum,
    float *decay) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    float *x = scores + row * stride;
    const float best = row_max(x, columns, max[row]);
    // Nothing seen yet but -inf: any finite number keeps exp(-inf - it) at 0.
    const float base = best == -INFINITY ? 0.0f : best;
    const float shrink = ck_expf(max[row] - base);
    const float added = row_exp_sum(x, columns, base);
    decay[row] = shrink;
    sum[row] = sum[row] * shrink + added;
    max[row] = best;
  }
}

CK_DISPATCH void ck_softmax_finish(float *x, ptrdiff_t count, float max, float sum) {
  if (sum == 0.0f) {
    for (ptrdiff_t i = 0; i < count; i++) x[i] = 0.0f;
    return;
  }
  for (ptrdiff_t i = 0; i < count; i++) x[i] = ck_expf(x[i] - max) / sum;
}

CK_DISPATCH void ck_scale_rows(float *x, ptrdiff_t rows, ptrdiff_t columns, const float *factors) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    const float factor = factors[row];
    float *line = x + row * columns;
    for (ptrdiff_t i = 0; i < columns; i++) line[i] *= factor;
  }
}

CK_DISPATCH void ck_softmax_gradient(
    float *scores, float *gradient, ptrdiff_t rows, ptrdiff_t columns, const float *lse,
    const float *delta) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    float *restrict p = scores + row * columns;
    const float shift = lse[row], fall = delta[row];
    if (!gradient) {
      for (ptrdiff_t i = 0; i < columns; i++) p[i] = ck_expf(p[i] - shift);
      continue;
    }
    float *restrict g = gradient + row * columns;
    for (ptrdiff_t i = 0; i < columns; i++) {
      const float e = ck_expf(p[i] - shift);
      p[i] = e;
      g[i] = e * (g[i] - fall);
    }
  }
}
