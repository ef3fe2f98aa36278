#pragma once
#include "ck_base.h"

// Matrix products and Winograd convolutions of float32, on panels: the left matrix of a product is stored in panels of
// `rows` rows, column by column, the right one in panels of `columns` columns, row by row. A panel has what the inner
// loop reads one after the other.
//
// A panel is made of slots of 4 bytes, each with `elements` elements that follow each other along k: a float32, or two
// bfloat16, or one where the processor does not multiply these. Elements past the last are 0. Sums are float32 always.

// Winograd's F(height x width, 3x3) (Lavin and Gray 2015, arXiv 1509.09308): a tile of height * width outputs takes
// (height + 2) * (width + 2) multiplications in the place of 9 * height * width. Transformed matrices have a plane for
// each of them.
typedef struct {
  ptrdiff_t height, width, planes;

  // Transforms kernels: w [outputs, channels, 3, 3] points at the first of `outputs` output channels, at most `rows`,
  // which are `stride` apart; `count` input channels become a left panel in each plane, which needs 16 elements of room
  // behind it.
  void (*weights)(
      const float *w, ptrdiff_t stride, ptrdiff_t outputs, ptrdiff_t count, float *panel, ptrdiff_t plane);

  // Transforms tiles of one channel's image x [image height, image width]: `count` tiles from `first` on, counted along
  // rows of ceil(image width / width). Tile i goes to
  // out[plane * p + (place + i) / columns * panel + (place + i) % columns]. Where a slot has two elements, the other
  // one's image is `next`; NULL stands for zeros.
  // border: room for height * (width + 2) * ((rows of tiles + 1) * ceil(image width / width) + 32) elements, for each
  // element of a slot.
  // Columns of a tile's panel behind the last tile may be written, too.
  void (*input)(
      const float *x, const float *next, ptrdiff_t image_height, ptrdiff_t image_width, ptrdiff_t first,
      ptrdiff_t count, ptrdiff_t place, float *border, float *out, ptrdiff_t plane, ptrdiff_t panel);

  // Gives one channel's image y from the products: tile i is m[plane * p + i]. m needs 16 elements of room behind the
  // last tile.
  void (*output)(
      const float *m, ptrdiff_t plane, ptrdiff_t image_height, ptrdiff_t image_width, ptrdiff_t first,
      ptrdiff_t count, float bias, float *y);
} ck_winograd;

typedef struct {
  // Of a slot.
  ptrdiff_t elements;

  // Of a panel of the left and of the right matrix.
  ptrdiff_t rows, columns;

  // C [rows, columns], its rows `stride` apart, of one panel each, over k slots. Of C there are `height` rows and `width`
  // columns. Where `adds`, the product is added to what C holds. row_start [height] and column_start [width], which may
  // be NULL, are added as well.
  void (*panel)(
      ptrdiff_t k, const float *left, const float *right, float *c, ptrdiff_t stride, ptrdiff_t height,
      ptrdiff_t width, int adds, const float *row_start, const float *column_start);

  // The same for panels of rows one after the other, the left ones `left_step` elements apart: `height` is that of all.
  void (*panels)(
      ptrdiff_t k, const float *left, ptrdiff_t left_step, const float *right, float *c, ptrdiff_t stride,
      ptrdiff_t height, ptrdiff_t width, int adds, const float *row_start, const float *column_start);

  // Packs `count` rows of factor * op(A), [count, k], as a left panel; rows that are not there are 0. `stride` is the
  // distance of stored rows: A is stored as [k, count] when `transposed`. Panels are packed in order: up to 16 elements
  // past a panel are written.
  void (*pack_left)(
      int transposed, const float *a, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, float factor, float *panel);

  // Packs `count` columns of op(B), [k, count], as a right panel; B is stored as [count, k] when `transposed`.
  void (*pack_right)(int transposed, const float *b, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, float *panel);

  // Asks the processor for the memory that pack_right with the same arguments will read.
  void (*prefetch_right)(int transposed, const float *b, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k);

  // One step of a softmax over the rows of a right panel x [count, columns], whose columns are queries: x becomes
  // exp(x - max) for a column's maximum so far. max, sum: [columns], brought up to date; decay [columns] gets the factor
  // by which what came before shrinks. The exponentials become slots: x is a right panel afterwards. A column that is -inf throughout keeps max = -inf and sum = 0.
  void (*softmax)(float *x, ptrdiff_t count, float *max, float *sum, float *decay);

  // Multiplies the columns of x [count, columns] by factors.
  void (*scale)(float *x, ptrdiff_t count, const float *factors);

  // y[j * stride + i] = factors[j] * x[i, j] for `count` rows of x [count, columns] and its first `width` columns.
  void (*unpack)(const float *x, ptrdiff_t count, ptrdiff_t width, const float *factors, float *y, ptrdiff_t stride);

  // Of tiles of 2x2, 2x4 and 4x4 outputs.
  ck_winograd winograd[3];
} ck_panels;

// The panels of float32 or of bfloat16 that this processor can run, the best first; NULL past the last. A processor
// without fused multiply-add has none.
const ck_panels *ck_panels_available(int bfloat16, ptrdiff_t index);
