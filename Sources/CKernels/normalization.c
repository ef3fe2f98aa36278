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

enum { lanes = 8 };

CK_DISPATCH void ck_normalize_gradient_sums(
  const float *x, const float *dy, const float *scale, size_t n, double mean, double *sum,
  double *product) {
  double first[lanes] = {0}, second[lanes] = {0};
  const size_t whole = n / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes) {
    for (size_t k = 0; k < lanes; k++) {
      const double g = scale ? (double)dy[i + k] * (double)scale[i + k] : (double)dy[i + k];
      first[k] += g;
      second[k] += g * ((double)x[i + k] - mean);
    }
  }
  for (size_t i = whole; i < n; i++) {
    const double g = scale ? (double)dy[i] * (double)scale[i] : (double)dy[i];
    first[i - whole] += g;
    second[i - whole] += g * ((double)x[i] - mean);
  }
  for (int k = 1; k < lanes; k++) {
    first[0] += first[k];
    second[0] += second[k];
  }
  *sum = first[0];
  *product = second[0];
}

CK_DISPATCH void ck_normalize_gradient(
  const float *x, const float *dy, const float *scale, float *dx, size_t n, double mean, double a,
  double b, double c) {
  SPLIT_MEAN
  const float rise = (float)a, fall = (float)b, shift = (float)c;
  if (scale) {
    CK_LOOP for (size_t i = 0; i < n; i++) {
      dx[i] = rise * (dy[i] * scale[i]) + (fall * ((x[i] - high) - low) + shift);
    }
  } else {
    CK_LOOP for (size_t i = 0; i < n; i++) {
      dx[i] = rise * dy[i] + (fall * ((x[i] - high) - low) + shift);
    }
  }
}

CK_DISPATCH void ck_normalize_gradient_columns(
  const float *x, const float *dy, size_t n, double mean, double inverse, double *scales,
  double *biases) {
  CK_LOOP for (size_t i = 0; i < n; i++) {
    scales[i] += (double)dy[i] * (((double)x[i] - mean) * inverse);
    biases[i] += (double)dy[i];
  }
}
