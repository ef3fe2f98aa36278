#include "ck_normalization.h"

#include "ck_math.h"
#include "ck_reduction.h"

void ck_moments(const float *x, size_t n, double *mean, double *variance) {
  *mean = ck_row_sum(x, n) / (double)n;
  *variance = ck_row_sum_centered_squares(x, n, *mean) / (double)n;
}

// The mean is subtracted as two floats: one would shift every result when it is large beside the deviation.
#define SPLIT_MEAN                        \
  const float high = (float)mean;         \
  const float low = (float)(mean - (double)high);

CK_DISPATCH void ck_normalize_row(
  const float *x, float *y, size_t n, double mean, double inverse, const float *scale,
  const float *bias) {
  SPLIT_MEAN
  const float factor = (float)inverse;
  if (scale && bias) {
    CK_LOOP for (size_t i = 0; i < n; i++) {
      y[i] = ((x[i] - high) - low) * factor * scale[i] + bias[i];
    }
  } else if (scale) {
    CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = ((x[i] - high) - low) * factor * scale[i]; }
  } else {
    CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = ((x[i] - high) - low) * factor; }
  }
}

CK_DISPATCH void ck_normalize_channel(
  const float *x, float *y, size_t n, double mean, double factor, float bias) {
  SPLIT_MEAN
  const float slope = (float)factor;
  CK_LOOP for (size_t i = 0; i < n; i++) { y[i] = ((x[i] - high) - low) * slope + bias; }
}
