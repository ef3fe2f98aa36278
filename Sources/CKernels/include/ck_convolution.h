#pragma once
#include "ck_base.h"

// The extents of ck_unfold: a kernel [kernel_height, kernel_width] over planes [height, width], moved by one at a time,
// with `padding` zeros at the top and at the left; rows of the result are as wide as those of a plane.
typedef struct {
  ptrdiff_t height, width;
  ptrdiff_t kernel_height, kernel_width;
  ptrdiff_t dilation_height, dilation_width;
  ptrdiff_t padding_height, padding_width;
} ck_window;

// Elements of `border` that ck_unfold needs.
ptrdiff_t ck_unfold_border(const ck_window *window, ptrdiff_t rows);

// What each tap of the kernel meets at the outputs of `rows` rows from `first` on: lines of rows * width elements,
// channels by taps, `stride` apart. The width must be a multiple of 4.
void ck_unfold(
    const float *x, ptrdiff_t channels, const ck_window *window, ptrdiff_t first, ptrdiff_t rows, float *border,
    float *out, ptrdiff_t stride);
