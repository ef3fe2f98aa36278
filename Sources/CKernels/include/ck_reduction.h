// Reductions of contiguous float32 rows, and the same for a block of columns. Sums run in float64 over a
// fixed set of lanes, so they depend on the data alone.
#pragma once
#include "ck_base.h"

double ck_row_sum(const float *x, size_t n);
double ck_row_sum_abs(const float *x, size_t n);
double ck_row_sum_squares(const float *x, size_t n);
// Σ (x - center)²
double ck_row_sum_centered_squares(const float *x, size_t n, double center);
// Σ e^(x - shift)
double ck_row_sum_exp(const float *x, size_t n, float shift);
// The largest and smallest element; NaN if there is one; -inf and inf for n = 0.
float ck_row_max(const float *x, size_t n);
float ck_row_min(const float *x, size_t n);

// acc[j] += f(x[j]) for the n columns of one row.
void ck_columns_add(double *acc, const float *x, size_t n);
void ck_columns_add_abs(double *acc, const float *x, size_t n);
void ck_columns_add_squares(double *acc, const float *x, size_t n);
void ck_columns_add_exp(double *acc, const float *x, const float *shift, size_t n);
void ck_columns_max(float *acc, const float *x, size_t n);
void ck_columns_min(float *acc, const float *x, size_t n);

// y[i] = e^(x[i] - shift), and their sum in float64. y may be x.
double ck_exp_shifted_sum(const float *x, float *y, size_t n, float shift);
// y[j] = e^(x[j] - shift[j]), acc[j] += y[j]. y may be x.
void ck_columns_exp_shifted(double *acc, const float *x, float *y, const float *shift, size_t n);
