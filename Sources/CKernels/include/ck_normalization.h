// The last pass of the normalizations, on contiguous float32. y may be x.
#pragma once
#include "ck_base.h"

// y[i] = (x[i] - mean) · inverse · scale[i] + bias[i]; bias may be NULL (0), both may be (1 and 0).
void ck_normalize_row(
  const float *x, float *y, size_t n, double mean, double inverse, const float *scale, const float *bias);
// y[i] = (x[i] - mean) · factor + bias
void ck_normalize_channel(
  const float *x, float *y, size_t n, double mean, double factor, float bias);
// The mean of n elements, and the mean square of what is left after subtracting it.
void ck_moments(const float *x, size_t n, double *mean, double *variance);

// For the gradients, with g = dy · scale (scale NULL is 1).
// Σ g and Σ g (x - mean).
void ck_normalize_gradient_sums(
  const float *x, const float *dy, const float *scale, size_t n, double mean, double *sum,
  double *product);
// dx[i] = a · g[i] + b · (x[i] - mean) + c. dx may be x or dy.
void ck_normalize_gradient(
  const float *x, const float *dy, const float *scale, float *dx, size_t n, double mean, double a,
  double b, double c);
// scales[i] += dy[i] · (x[i] - mean) · inverse; biases[i] += dy[i].
void ck_normalize_gradient_columns(
  const float *x, const float *dy, size_t n, double mean, double inverse, double *scales,
  double *biases);
