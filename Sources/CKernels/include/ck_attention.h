#pragma once
#include "ck_base.h"

// One step of a softmax that goes over its row in pieces. `scores` is [rows, columns], its rows `stride`
// apart, and becomes exp(score - max) for the row's maximum so far.
//
// max, sum: [rows], the running maximum and the running sum of exponentials, brought up to date.
// decay:    [rows], the factor by which earlier pieces shrink because the maximum has grown.
// A row that is -inf throughout keeps max = -inf and sum = 0.
void ck_softmax_piece(
    float *scores, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float *max, float *sum,
    float *decay);

// x[i] = exp(x[i] - max) / sum, and 0 where the sum is 0.
void ck_softmax_finish(float *x, ptrdiff_t count, float max, float sum);

// Multiplies each row of x [rows, columns] by its factor.
void ck_scale_rows(float *x, ptrdiff_t rows, ptrdiff_t columns, const float *factors);

// Scores [rows, columns] become probabilities exp(score - lse), and their gradient that of the scores,
// probability * (gradient - delta). lse, delta: [rows]. `gradient` may be NULL.
void ck_softmax_gradient(
    float *scores, float *gradient, ptrdiff_t rows, ptrdiff_t columns, const float *lse,
    const float *delta);
