#pragma once
#include "ck_base.h"

// Matrix products and Winograd convolutions of float32, on panels: the left matrix of a product is stored in panels of
// `rows` rows, column by column, the right one in panels of `columns` columns, row by row. A panel has what the inner
// loop reads one after the other.
//
// Winograd's F(2x2, 3x3) (Lavin and Gray 2015, arXiv 1509.09308): an output of 2x2 elements, a tile, takes 16
// multiplications in the place of 36. Transformed matrices have 16 planes, one for each of them.
typedef struct {
  // Of a panel of the left and of the right matrix.
  ptrdiff_t rows, columns;

  // C [rows, columns], its rows `stride` apart, of one panel each, over k. Of C there are `height` rows and `width`
  // columns. Where `adds`, the product is added to what C holds. row_start [height] and column_start [width], which may
  // be NULL, are added as well.
  void (*panel)(
      ptrdiff_t k, const float *left, const float *right, float *c, ptrdiff_t stride, ptrdiff_t height,
      ptrdiff_t width, int adds, const float *row_start, const float *column_start);

  // Packs `count` rows of factor * op(A), [count, k], as a left panel; rows that are not there are 0. `stride` is the
  // distance of stored rows: A is stored as [k, count] when `transposed`. Panels are packed in order: up to 16 elements
  // past a panel are written.
  void (*pack_left)(
      int transposed, const float *a, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, float factor, float *panel);

  // Packs `count` columns of op(B), [k, count], as a right panel; B is stored as [count, k] when `transposed`.
  void (*pack_right)(int transposed, const float *b, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, float *panel);

  // One step of a softmax over the rows of a right panel x [count, columns], whose columns are queries: x becomes
  // exp(x - max) for a column's maximum so far. max, sum: [columns], brought up to date; decay [columns] gets the factor
  // by which what came before shrinks. A column that is -inf throughout keeps max = -inf and sum = 0.
  void (*softmax)(float *x, ptrdiff_t count, float *max, float *sum, float *decay);

  // Multiplies the columns of x [count, columns] by factors.
  void (*scale)(float *x, ptrdiff_t count, const float *factors);

  // y[j * stride + i] = factors[j] * x[i, j] for `count` rows of x [count, columns] and its first `width` columns.
  void (*unpack)(const float *x, ptrdiff_t count, ptrdiff_t width, const float *factors, float *y, ptrdiff_t stride);

  // Transforms kernels: w [outputs, channels, 3, 3] points at the first of `outputs` output channels, at most `rows`,
  // which are `stride` apart; `count` input channels become a left panel [count, rows] in each of 16 planes. A plane's
  // panel needs 16 elements of room behind it.
  void (*winograd_weights)(
      const float *w, ptrdiff_t stride, ptrdiff_t outputs, ptrdiff_t count, float *panel, ptrdiff_t plane);

  // Transforms tiles of one channel's plane x [height, width]: `count` tiles from `first` on, counted along rows of
  // (width + 1) / 2. Tile i goes to out[plane * p + (place + i) / columns * panel + (place + i) % columns].
  // border: room for (2 * rows of tiles + 2) * (width + 96) elements.
  void (*winograd_input)(
      const float *x, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count, ptrdiff_t place,
      float *border, float *out, ptrdiff_t plane, ptrdiff_t panel);

  // Gives one channel's plane y [height, width] from the products: tile i is m[plane * p + i]. m needs 16 elements of
  // room behind the last tile.
  void (*winograd_output)(
      const float *m, ptrdiff_t plane, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count,
      float bias, float *y);
} ck_panels;

// The panels that this processor can run, the best first; NULL past the last. A processor without fused multiply-add
// has none.
const ck_panels *ck_panels_available(ptrdiff_t index);
