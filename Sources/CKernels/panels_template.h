// The functions of ck_panels for one instruction set and precision: ROWS of a left panel, LANES of a vector (16 or 8),
// TARGET, the name of the TABLE, and what a SLOT is: FLOAT, ROUNDED (a float that is a bfloat16) or PAIR (two bfloat16).
// A right panel is two vectors wide.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "ck_exp.h"
#include "ck_math.h"

typedef float vec __attribute__((vector_size(LANES * 4), aligned(4)));
typedef uint32_t bits __attribute__((vector_size(LANES * 4), aligned(4)));

enum { COLUMNS = 2 * LANES };

#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }

// The first `count` lanes; the rest is 0.
INLINE vec load_part(const float *p, ptrdiff_t count) {
  if (count >= LANES) return load(p);
  float part[LANES] = {0};
  if (count > 0) memcpy(part, p, count * sizeof(float));
  return load(part);
}

// Pieces of a known size: a call of memcpy takes longer than what it copies.
INLINE void store_part(float *p, vec v, ptrdiff_t count) {
  if (count >= LANES) {
    store(p, v);
    return;
  }
  float part[LANES];
  store(part, v);
  const float *rest = part;
#define PIECE(size) \
  if (count & size) memcpy(p, rest, size * sizeof(float)), p += size, rest += size;
#if LANES == 16
  PIECE(8)
#endif
  PIECE(4)
  PIECE(2)
  PIECE(1)
#undef PIECE
}

// MARK: Slots

// What a panel holds of one element (x) or of two that follow each other along k (x, next).
#if SLOT == PAIR
enum { ELEMENTS = 2 };
INLINE vec slot(vec x, vec next) {
  const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x));
  const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)next));
  return (vec)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}
// sum + the products of two slots.
INLINE vec multiply_add(float a, vec b, vec sum) {
  return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(a), (__m512bh)b);
}
#else
enum { ELEMENTS = 1 };
INLINE vec slot(vec x, vec next) {
#if SLOT == ROUNDED
  // To the nearest bfloat16, ties to even. What is not a number stays so.
  const bits b = (bits)x, rounded = (b + 0x7FFF + ((b >> 16) & 1)) & 0xFFFF0000;
  const bits is_number = (bits)(x == x);
  return (vec)((rounded & is_number) | (b & ~is_number));
#else
  return x;
#endif
}
INLINE vec multiply_add(float a, vec b, vec sum) { return __builtin_elementwise_fma(a - (vec){0}, b, sum); }
#endif

// The slots that so many elements take.
INLINE ptrdiff_t slots(ptrdiff_t count) { return (count + ELEMENTS - 1) / ELEMENTS; }

#if LANES == 16
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define EVEN(a, b) SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(a, b) SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
// Within groups of four lanes.
#define PAIR_LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define PAIR_HIGH(a, b) SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define HALF_LOW(a, b) SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HALF_HIGH(a, b) SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
// Even and odd groups of four lanes.
#define GROUPS_EVEN(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define GROUPS_ODD(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#else
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define EVEN(a, b) SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b) SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#define ZIP_LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define PAIR_LOW(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define PAIR_HIGH(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define HALF_LOW(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define HALF_HIGH(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define GROUPS_EVEN(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define GROUPS_ODD(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#endif

// Rows become columns.
INLINE void transpose(vec r[LANES]) {
  vec t[LANES];
  UNROLL for (int i = 0; i < LANES; i += 2) {
    t[i] = PAIR_LOW(r[i], r[i + 1]);
    t[i + 1] = PAIR_HIGH(r[i], r[i + 1]);
  }
  // Group g of r[4 q + j] gets column 4 g + j of the rows from 4 q on.
  UNROLL for (int i = 0; i < LANES; i += 4) {
    r[i] = HALF_LOW(t[i], t[i + 2]);
    r[i + 1] = HALF_HIGH(t[i], t[i + 2]);
    r[i + 2] = HALF_LOW(t[i + 1], t[i + 3]);
    r[i + 3] = HALF_HIGH(t[i + 1], t[i + 3]);
  }
  UNROLL for (int j = 0; j < 4; j++) {
    const vec a = GROUPS_EVEN(r[j], r[4 + j]), b = GROUPS_ODD(r[j], r[4 + j]);
#if LANES == 16
    const vec c = GROUPS_EVEN(r[8 + j], r[12 + j]), d = GROUPS_ODD(r[8 + j], r[12 + j]);
    t[j] = GROUPS_EVEN(a, c);
    t[4 + j] = GROUPS_EVEN(b, d);
    t[8 + j] = GROUPS_ODD(a, c);
    t[12 + j] = GROUPS_ODD(b, d);
#else
    t[j] = a;
    t[4 + j] = b;
#endif
  }
  UNROLL for (int i = 0; i < LANES; i++) r[i] = t[i];
}

// MARK: Products

// The first `height` rows of a panel's product, `vectors` wide.
#define PANEL(name, height, vectors)                                                                              \
  TARGET static void name(                                                                                        \
      ptrdiff_t k, const float *restrict left, const float *restrict right, float *restrict c, ptrdiff_t stride,  \
      int adds, const float *row_start, const float *column_start) {                                              \
    vec sum[height][vectors];                                                                                     \
    UNROLL for (int i = 0; i < height; i++) UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = (vec){0};        \
    for (ptrdiff_t p = 0; p < k; p++) {                                                                           \
      vec b[vectors];                                                                                             \
      UNROLL for (int j = 0; j < vectors; j++) b[j] = load(right + j * LANES);                                    \
      UNROLL for (int i = 0; i < height; i++) {                                                                   \
        UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = multiply_add(left[i], b[j], sum[i][j]);              \
      }                                                                                                           \
      left += ROWS;                                                                                               \
      right += COLUMNS;                                                                                           \
    }                                                                                                             \
    if (adds) {                                                                                                   \
      UNROLL for (int i = 0; i < height; i++) UNROLL for (int j = 0; j < vectors; j++)                            \
        sum[i][j] += load(c + i * stride + j * LANES);                                                            \
    }                                                                                                             \
    if (row_start) {                                                                                              \
      UNROLL for (int i = 0; i < height; i++) UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += row_start[i]; \
    }                                                                                                             \
    if (column_start) {                                                                                           \
      UNROLL for (int i = 0; i < height; i++) UNROLL for (int j = 0; j < vectors; j++)                            \
        sum[i][j] += load(column_start + j * LANES);                                                              \
    }                                                                                                             \
    UNROLL for (int i = 0; i < height; i++) UNROLL for (int j = 0; j < vectors; j++)                              \
      store(c + i * stride + j * LANES, sum[i][j]);                                                               \
  }

// Heights that the last panel of a matrix has often are computed alone.
#if ROWS > 8
PANEL(panel_of_two, ROWS, 2)
PANEL(panel_of_one, ROWS, 1)
PANEL(panel_eight_of_two, 8, 2)
PANEL(panel_eight_of_one, 8, 1)
PANEL(panel_four_of_two, 4, 2)
PANEL(panel_four_of_one, 4, 1)
#else
PANEL(panel_of_two, ROWS, 2)
PANEL(panel_of_one, ROWS, 1)
PANEL(panel_four_of_two, 4, 2)
PANEL(panel_four_of_one, 4, 1)
#endif

// The rows that the product for `height` of them computes.
INLINE ptrdiff_t computed_rows(ptrdiff_t height) {
  if (height <= 4) return 4;
  return ROWS > 8 && height <= 8 ? 8 : ROWS;
}

INLINE void panel_of(
    ptrdiff_t rows, int two, ptrdiff_t k, const float *left, const float *right, float *c, ptrdiff_t stride, int adds,
    const float *row_start, const float *column_start) {
  if (rows == 4) (two ? panel_four_of_two : panel_four_of_one)(k, left, right, c, stride, adds, row_start, column_start);
#if ROWS > 8
  else if (rows == 8)
    (two ? panel_eight_of_two : panel_eight_of_one)(k, left, right, c, stride, adds, row_start, column_start);
#endif
  else (two ? panel_of_two : panel_of_one)(k, left, right, c, stride, adds, row_start, column_start);
}

TARGET static void panel(
    ptrdiff_t k, const float *left, const float *right, float *c, ptrdiff_t stride, ptrdiff_t height, ptrdiff_t width,
    int adds, const float *row_start, const float *column_start) {
  const ptrdiff_t rows = computed_rows(height);
  const int two = width > LANES;
  if (rows == height && (width == COLUMNS || width == LANES))
    return panel_of(rows, two, k, left, right, c, stride, adds, row_start, column_start);
  // At an edge the product is computed beside C.
  float edge[ROWS * COLUMNS];
  panel_of(rows, two, k, left, right, edge, COLUMNS, 0, NULL, NULL);
  for (ptrdiff_t i = 0; i < height; i++)
    for (ptrdiff_t j = 0; j < width; j += LANES) {
      const ptrdiff_t part = least(LANES, width - j);
      float *place = c + i * stride + j;
      vec value = load(edge + i * COLUMNS + j);
      if (adds) value += load_part(place, part);
      if (row_start) value += row_start[i];
      if (column_start) value += load_part(column_start + j, part);
      store_part(place, value, part);
    }
}

TARGET static void panels(
    ptrdiff_t k, const float *left, ptrdiff_t left_step, const float *right, float *c, ptrdiff_t stride,
    ptrdiff_t height, ptrdiff_t width, int adds, const float *row_start, const float *column_start) {
  ptrdiff_t row = 0;
  if (width == COLUMNS || width == LANES)
    for (; row + ROWS <= height; row += ROWS, left += left_step)
      panel_of(
          ROWS, width > LANES, k, left, right, c + row * stride, stride, adds, row_start ? row_start + row : NULL,
          column_start);
  for (; row < height; row += ROWS, left += left_step)
    panel(
        k, left, right, c + row * stride, stride, least(ROWS, height - row), width, adds,
        row_start ? row_start + row : NULL, column_start);
}

// Asks for what pack_right will read.
TARGET static void prefetch_right(int transposed, const float *x, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k) {
  const ptrdiff_t lines = transposed ? count : k, each = transposed ? k : count;
  for (ptrdiff_t i = 0; i < lines; i++)
    for (ptrdiff_t j = 0; j < each; j += 16) __builtin_prefetch(x + i * stride + j, 0, 2);
}

// Packs `lines` stored rows, read as columns of a panel of `width`: out[p * width + line] = factor * x[line, p].
// Writes up to LANES - 1 elements past the panel.
INLINE void pack_lines(
    const float *x, ptrdiff_t stride, ptrdiff_t lines, ptrdiff_t k, ptrdiff_t width, float factor, float *out) {
  for (ptrdiff_t start = 0; start < width; start += LANES) {
    const ptrdiff_t taken = least(LANES, width - start), there = least(taken, lines - start);
    for (ptrdiff_t p = 0; p < k; p += LANES) {
      const ptrdiff_t count = least(LANES, k - p);
      const float *source = x + start * stride + p;
      float *target = out + p / ELEMENTS * width + start;
      vec r[LANES];
      if (there == taken && count == LANES) {
        UNROLL for (int i = 0; i < LANES; i++) r[i] = i < taken ? load(source + i * stride) * factor : (vec){0};
        transpose(r);
        UNROLL for (int i = 0; i < LANES / ELEMENTS; i++)
          store(target + i * width, slot(r[i * ELEMENTS], r[i * ELEMENTS + ELEMENTS - 1]));
        continue;
      }
      for (ptrdiff_t i = 0; i < LANES; i++)
        r[i] = i < there ? load_part(source + i * stride, count) * factor : (vec){0};
      transpose(r);
      for (ptrdiff_t i = 0; i < slots(count); i++)
        store(target + i * width, slot(r[i * ELEMENTS], r[i * ELEMENTS + ELEMENTS - 1]));
    }
  }
}

// Packs stored rows as they are: out[p * width + i] = factor * x[p, i] for i below `count`, then zeros.
INLINE void pack_rows(
    const float *x, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, ptrdiff_t width, float factor, float *out) {
  const int whole = count >= width && width % LANES == 0;
  for (ptrdiff_t p = 0; p < k; p += ELEMENTS) {
    // The row that pairs with this one; past the last one there are zeros.
    const float *row = x + p * stride, *next = p + ELEMENTS - 1 < k ? row + (ELEMENTS - 1) * stride : NULL;
    float *target = out + p / ELEMENTS * width;
    if (whole) {
      for (ptrdiff_t i = 0; i < width; i += LANES)
        store(target + i, slot(load(row + i) * factor, next ? load(next + i) * factor : (vec){0}));
      continue;
    }
    for (ptrdiff_t i = 0; i < width; i += LANES) {
      const ptrdiff_t room = width - i, part = least(count - i, room);
      const vec v = load_part(row + i, part) * factor;
      store_part(target + i, slot(v, next ? load_part(next + i, part) * factor : (vec){0}), room);
    }
  }
}

TARGET static void pack_left(
    int transposed, const float *x, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, float factor, float *out) {
  if (transposed) pack_rows(x, stride, count, k, ROWS, factor, out);
  else pack_lines(x, stride, count, k, ROWS, factor, out);
}

TARGET static void pack_right(
    int transposed, const float *x, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, float *out) {
  if (transposed) pack_lines(x, stride, count, k, COLUMNS, 1, out);
  else pack_rows(x, stride, count, k, COLUMNS, 1, out);
}

// MARK: Attention

// A row becomes exp(row - base), which is added to sum.
INLINE void add_exponentials(float *row, const float *base, vec sum[2]) {
  CK_LOOP for (int j = 0; j < COLUMNS; j++) row[j] = ck_expf_below(row[j] - base[j]);
  sum[0] += load(row);
  sum[1] += load(row + LANES);
}

// Rows from `first` on become slots, in place: where they go nothing is needed any more.
INLINE void slot_rows(float *x, ptrdiff_t first, ptrdiff_t count) {
  if (SLOT == FLOAT) return;
  for (ptrdiff_t i = first; i < first + count; i += ELEMENTS)
    UNROLL for (int j = 0; j < 2; j++) {
      const float *p = x + i * COLUMNS + j * LANES;
      const int paired = i + ELEMENTS - 1 < first + count;
      const vec next = paired ? load(p + (ELEMENTS - 1) * COLUMNS) : (vec){0};
      store(x + i / ELEMENTS * COLUMNS + j * LANES, slot(load(p), next));
    }
}

TARGET static void softmax(float *x, ptrdiff_t count, float *max, float *sum, float *decay) {
  float base[COLUMNS], top[COLUMNS];
  vec best[2] = {load(max), load(max + LANES)};
  for (ptrdiff_t i = 0; i < count; i++) {
    UNROLL for (int j = 0; j < 2; j++) {
      const vec v = load(x + i * COLUMNS + j * LANES);
      best[j] = __builtin_elementwise_max(v, best[j]);
    }
  }
  store(top, best[0]);
  store(top + LANES, best[1]);
  // Nothing seen yet but -inf: any finite number keeps exp(-inf - it) at 0.
  for (int j = 0; j < COLUMNS; j++) base[j] = top[j] == -INFINITY ? 0.0f : top[j];
  for (int j = 0; j < COLUMNS; j++) decay[j] = ck_expf(max[j] - base[j]);
  memcpy(max, top, sizeof top);
  // Partial sums of every fourth row.
  vec part[4][2];
  UNROLL for (int i = 0; i < 4; i++) part[i][0] = part[i][1] = (vec){0};
  ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) {
    UNROLL for (int p = 0; p < 4; p++) add_exponentials(x + (i + p) * COLUMNS, base, part[p]);
    slot_rows(x, i, 4);
  }
  const ptrdiff_t rest = i;
  for (; i < count; i++) add_exponentials(x + i * COLUMNS, base, part[0]);
  slot_rows(x, rest, count - rest);
  UNROLL for (int j = 0; j < 2; j++) {
    const vec added = (part[0][j] + part[1][j]) + (part[2][j] + part[3][j]);
    store(sum + j * LANES, load(sum + j * LANES) * load(decay + j * LANES) + added);
  }
}

TARGET static void scale(float *x, ptrdiff_t count, const float *factors) {
  const vec f[2] = {load(factors), load(factors + LANES)};
  for (ptrdiff_t i = 0; i < count; i++)
    UNROLL for (int j = 0; j < 2; j++) {
      float *p = x + i * COLUMNS + j * LANES;
      store(p, load(p) * f[j]);
    }
}

TARGET static void unpack(
    const float *x, ptrdiff_t count, ptrdiff_t width, const float *factors, float *y, ptrdiff_t stride) {
  for (ptrdiff_t j = 0; j < width; j += LANES) {
    const vec f = load(factors + j);
    for (ptrdiff_t i = 0; i < count; i += LANES) {
      vec r[LANES];
      for (ptrdiff_t p = 0; p < LANES; p++) r[p] = i + p < count ? load(x + (i + p) * COLUMNS + j) * f : (vec){0};
      transpose(r);
      const ptrdiff_t lines = least(LANES, width - j), part = least(LANES, count - i);
      for (ptrdiff_t p = 0; p < lines; p++) store_part(y + (j + p) * stride + i, r[p], part);
    }
  }
}

// MARK: Winograd

// Along one axis a tile has two outputs, F(2, 3), or four, F(4, 3). The latter's points are 0, ±√½, ±√2 and ∞, whose
// products err a third as much as those of 0, ±1, ±2 and ∞. `four` says which; it is known when this is compiled.
#define ROOT_HALF 0.70710678f
#define ROOT_TWO 1.41421356f

// The elements of a tile along an axis, and those of its outputs.
INLINE int tile_extent(int four) { return four ? 6 : 4; }
INLINE int tile_outputs(int four) { return four ? 4 : 2; }

// An axis of an input tile, d [4 or 6], `step` apart.
INLINE void transform_input_axis(int four, const vec *d, int step, vec *out, int out_step) {
  if (!four) {
    out[0] = d[0] - d[2 * step], out[out_step] = d[step] + d[2 * step];
    out[2 * out_step] = d[2 * step] - d[step], out[3 * out_step] = d[step] - d[3 * step];
    return;
  }
  const vec d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
  const vec even = d4 - 2.0f * d2, odd = ROOT_HALF * d3 - ROOT_TWO * d1;
  const vec even2 = d4 - 0.5f * d2, odd2 = ROOT_TWO * d3 - ROOT_HALF * d1;
  out[0] = d[0] - 2.5f * d2 + d4;
  out[out_step] = even + odd, out[2 * out_step] = even - odd;
  out[3 * out_step] = even2 + odd2, out[4 * out_step] = even2 - odd2;
  out[5 * out_step] = d1 - 2.5f * d3 + d[5 * step];
}

// An axis of a kernel, g [3], `step` apart.
INLINE void transform_kernel_axis(int four, const vec *g, int step, vec *out, int out_step) {
  const vec g0 = g[0], g1 = g[step], g2 = g[2 * step];
  out[0] = g0;
  if (!four) {
    const vec sum = (g0 + g2) * 0.5f, half = g1 * 0.5f;
    out[out_step] = sum + half, out[2 * out_step] = sum - half, out[3 * out_step] = g2;
    return;
  }
  const vec even = (g0 + 0.5f * g2) * (-2.0f / 3), odd = g1 * (-2.0f / 3 * ROOT_HALF);
  const vec even2 = (g0 + 2.0f * g2) * (1.0f / 6), odd2 = g1 * (1.0f / 6 * ROOT_TWO);
  out[out_step] = even + odd, out[2 * out_step] = even - odd;
  out[3 * out_step] = even2 + odd2, out[4 * out_step] = even2 - odd2;
  out[5 * out_step] = g2;
}

// An axis of the outputs [2 or 4], from products m [4 or 6], `step` apart.
INLINE void transform_output_axis(int four, const vec *m, int step, vec *out, int out_step) {
  const vec m1 = m[step], m2 = m[2 * step], m3 = m[3 * step];
  if (!four) {
    out[0] = m[0] + m1 + m2, out[out_step] = m1 - m2 - m3;
    return;
  }
  const vec sum = m1 + m2, minus = m1 - m2, sum2 = m3 + m[4 * step], minus2 = m3 - m[4 * step];
  out[0] = m[0] + sum + sum2;
  out[out_step] = ROOT_HALF * minus + ROOT_TWO * minus2;
  out[2 * out_step] = 0.5f * sum + 2.0f * sum2;
  out[3 * out_step] = 0.5f * ROOT_HALF * minus + 2.0f * ROOT_TWO * minus2 + m[5 * step];
}

// All planes of a channel's kernels, one output a lane.
INLINE void transform_kernel(int tall, int wide, const float *taps, vec *planes) {
  const int columns = tile_extent(wide);
  vec g[9], rows[6][3];
  UNROLL for (int i = 0; i < 9; i++) g[i] = load(taps + i * LANES);
  UNROLL for (int x = 0; x < 3; x++) transform_kernel_axis(tall, g + x, 3, &rows[0][x], 3);
  UNROLL for (int y = 0; y < tile_extent(tall); y++)
    transform_kernel_axis(wide, rows[y], 1, planes + y * columns, 1);
}

INLINE void transform_weights(
    int tall, int wide, const float *w, ptrdiff_t stride, ptrdiff_t outputs, ptrdiff_t count, float *panel,
    ptrdiff_t plane) {
  enum { AHEAD = 2 };
  const int planes = tile_extent(tall) * tile_extent(wide);
  // LANES channels of a kernel's 9 elements, one output a lane.
  float taps[9 * LANES * LANES] __attribute__((aligned(64)));
  for (ptrdiff_t c = 0; c < count; c += LANES) {
    const ptrdiff_t channels = least(LANES, count - c);
    for (ptrdiff_t part = 0; part < 9 && part * LANES < channels * 9; part++) {
      const ptrdiff_t left = channels * 9 - part * LANES;
      vec r[LANES];
      UNROLL for (int o = 0; o < LANES; o++) {
        const float *source = w + o * stride + c * 9 + part * LANES;
        // So many streams are more than the processor foresees.
        if (o < ROWS) __builtin_prefetch(source + AHEAD * 9 * LANES);
        r[o] = o < ROWS && o < outputs ? load_part(source, left) : (vec){0};
      }
      transpose(r);
      UNROLL for (int i = 0; i < LANES; i++) store(taps + (part * LANES + i) * LANES, r[i]);
    }
    for (ptrdiff_t i = 0; i < channels; i += ELEMENTS) {
      vec m[ELEMENTS][36];
      UNROLL for (int e = 0; e < ELEMENTS; e++) {
        if (i + e < channels) transform_kernel(tall, wide, taps + (i + e) * 9 * LANES, m[e]);
        else UNROLL for (int y = 0; y < planes; y++) m[e][y] = (vec){0};
      }
      // Lanes past the panel's rows are overwritten by the next channel.
      float *target = panel + (c + i) / ELEMENTS * ROWS;
      UNROLL for (int y = 0; y < planes; y++) store(target + y * plane, slot(m[0][y], m[ELEMENTS - 1][y]));
    }
  }
}

// Every fourth element of four vectors that follow each other, from the first to the fourth one on, or every second
// element of two.
INLINE void split(int wide, const vec *x, vec *parts) {
  if (!wide) {
    parts[0] = EVEN(x[0], x[1]), parts[1] = ODD(x[0], x[1]);
    return;
  }
  const vec even = EVEN(x[0], x[1]), even2 = EVEN(x[2], x[3]), odd = ODD(x[0], x[1]), odd2 = ODD(x[2], x[3]);
  parts[0] = EVEN(even, even2), parts[1] = EVEN(odd, odd2), parts[2] = ODD(even, even2), parts[3] = ODD(odd, odd2);
}

// The elements of a row of tiles, [column of the tile, tile], `apart` apart: column j of tile t has element
// step * t + j - 1 of the row of the image, or 0 where there is none. Writes less than two vectors past the row, and
// 0 before that of the last column.
INLINE void split_row(int wide, const float *x, ptrdiff_t width, ptrdiff_t across, float *out, ptrdiff_t apart) {
  const int step = tile_outputs(wide);
  float *last = out + (step + 1) * apart;
  for (ptrdiff_t tile = 0; tile < across; tile += LANES) {
    vec elements[4], parts[4];
    const ptrdiff_t left = width - step * tile;
    UNROLL for (int i = 0; i < step; i++) elements[i] = load_part(x + step * tile + i * LANES, left - i * LANES);
    split(wide, elements, parts);
    UNROLL for (int j = 0; j < step; j++) store(out + (j + 1) * apart + tile, parts[j]);
    // The columns beside these are the neighbours' outermost ones.
    store(out + tile + 1, parts[step - 1]);
    store(last + tile - 1, parts[0]);
  }
  out[0] = last[-1] = last[across - 1] = 0;
}

// Rows of an image from `first` on, with zeros around the image, split by columns of a tile. Rows that the same row of
// a tile reads follow each other: [column of the tile, row of the tile, row of tiles, tile], so that a vector of tiles
// may reach into the next row of tiles.
INLINE void split_rows(
    int tall, int wide, const float *x, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t lines,
    ptrdiff_t across, float *out, ptrdiff_t room) {
  const int down = tile_outputs(tall), columns = tile_extent(wide);
  for (ptrdiff_t line = 0; line < lines; line++) {
    const ptrdiff_t row = first + line;
    float *target = out + line % down * room + line / down * across;
    if (row >= 0 && row < height) {
      split_row(wide, x + row * width, width, across, target, down * room);
    } else {
      for (int j = 0; j < columns; j++)
        for (ptrdiff_t tile = 0; tile < across; tile += LANES) store(target + j * down * room + tile, (vec){0});
    }
  }
}

// All planes of LANES tiles of such rows.
INLINE void transform_tiles(int tall, int wide, const float *s, ptrdiff_t across, ptrdiff_t room, vec *planes) {
  const int rows = tile_extent(tall), columns = tile_extent(wide), down = tile_outputs(tall);
  vec d[6 * 6];
  UNROLL for (int i = 0; i < rows; i++) {
    vec c[6];
    UNROLL for (int j = 0; j < columns; j++) c[j] = load(s + (j * down + i % down) * room + i / down * across);
    transform_input_axis(wide, c, 1, d + i * columns, 1);
  }
  UNROLL for (int j = 0; j < columns; j++) transform_input_axis(tall, d + j, columns, planes + j, columns);
}

INLINE void transform_input(
    int tall, int wide, const float *x, const float *next, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first,
    ptrdiff_t count, ptrdiff_t place, float *border, float *out, ptrdiff_t plane, ptrdiff_t panel) {
  const int planes = tile_extent(tall) * tile_extent(wide), down = tile_outputs(tall), step = tile_outputs(wide);
  const ptrdiff_t across = (width + step - 1) / step, top = first / across;
  const ptrdiff_t rows = (first + count - 1) / across - top + 1;
  const ptrdiff_t room = (rows + 1) * across + 2 * LANES, size = tile_extent(wide) * down * room;
  const float *images[2] = {x, next};
  for (int e = 0; e < ELEMENTS; e++)
    if (images[e])
      split_rows(
          tall, wide, images[e], height, width, down * top - 1, down * rows + 2, across, border + e * size, room);
  for (ptrdiff_t done = 0; done < count;) {
    const ptrdiff_t at = place + done;
    const ptrdiff_t lanes = least(least(LANES, count - done), COLUMNS - at % COLUMNS);
    vec d[ELEMENTS][36];
    UNROLL for (int e = 0; e < ELEMENTS; e++) {
      const float *source = border + e * size + first - top * across + done;
      if (images[e]) transform_tiles(tall, wide, source, across, room, d[e]);
      else UNROLL for (int i = 0; i < planes; i++) d[e][i] = (vec){0};
    }
    float *target = out + at / COLUMNS * panel + at % COLUMNS;
    // Lanes without a tile are columns of tiles that are written later, or of none.
    const ptrdiff_t stored = COLUMNS - at % COLUMNS < LANES ? lanes : LANES;
    UNROLL for (int i = 0; i < planes; i++)
      store_part(target + i * plane, slot(d[0][i], d[ELEMENTS - 1][i]), stored);
    done += lanes;
  }
}

INLINE void transform_output(
    int tall, int wide, const float *m, ptrdiff_t plane, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first,
    ptrdiff_t count, float bias, float *y) {
  const int rows = tile_extent(tall), columns = tile_extent(wide);
  const int down = tile_outputs(tall), step = tile_outputs(wide);
  const ptrdiff_t across = (width + step - 1) / step;
  // Where no vector of outputs reaches into the next row, a vector of tiles may.
  const int whole = width % LANES == 0 && step * first % LANES == 0;
  ptrdiff_t row = down * (first / across), column = step * (first % across);
  for (ptrdiff_t tile = 0; tile < count;) {
    const ptrdiff_t lanes = least(LANES, count - tile), there = step * lanes;
    const float *s = m + tile;
    vec r[4 * 6];
    UNROLL for (int j = 0; j < columns; j++) {
      vec products[6];
      UNROLL for (int i = 0; i < rows; i++) products[i] = load(s + (i * columns + j) * plane);
      transform_output_axis(tall, products, 1, r + j, columns);
    }
    vec line[4][4];
    UNROLL for (int i = 0; i < down; i++) {
      vec o[4];
      transform_output_axis(wide, r + i * columns, 1, o, 1);
      UNROLL for (int j = 0; j < step; j++) o[j] += bias;
      if (wide) {
        const vec even = ZIP_LOW(o[0], o[2]), odd = ZIP_LOW(o[1], o[3]);
        const vec even2 = ZIP_HIGH(o[0], o[2]), odd2 = ZIP_HIGH(o[1], o[3]);
        line[i][0] = ZIP_LOW(even, odd), line[i][1] = ZIP_HIGH(even, odd);
        line[i][2] = ZIP_LOW(even2, odd2), line[i][3] = ZIP_HIGH(even2, odd2);
      } else {
        line[i][0] = ZIP_LOW(o[0], o[1]), line[i][1] = ZIP_HIGH(o[0], o[1]);
      }
    }
    if (whole) {
      UNROLL for (int j = 0; j < step; j++) {
        if (j * LANES >= there) continue;
        UNROLL for (int i = 0; i < down; i++)
          if (row + i < height) store_part(y + (row + i) * width + column, line[i][j], there - j * LANES);
        column += LANES;
        if (column == width) column = 0, row += down;
      }
    } else {
      float outputs[4][5 * LANES];
      UNROLL for (int i = 0; i < down; i++) UNROLL for (int j = 0; j < step; j++)
        store(outputs[i] + j * LANES, line[i][j]);
      // What of these outputs lies in the same row of tiles.
      for (ptrdiff_t from = 0; from < there;) {
        const ptrdiff_t taken = least(there - from, step * across - column), seen = least(taken, width - column);
        for (int i = 0; i < down; i++) {
          if (row + i >= height) break;
          float *target = y + (row + i) * width + column;
          for (ptrdiff_t j = 0; j < seen; j += LANES)
            store_part(target + j, load(outputs[i] + from + j), seen - j);
        }
        from += taken, column += taken;
        if (column == step * across) column = 0, row += down;
      }
    }
    tile += lanes;
  }
}

#define WINOGRAD(name, tall, wide)                                                                              \
  TARGET static void name##_weights(                                                                            \
      const float *w, ptrdiff_t stride, ptrdiff_t outputs, ptrdiff_t count, float *panel, ptrdiff_t plane) {    \
    transform_weights(tall, wide, w, stride, outputs, count, panel, plane);                                     \
  }                                                                                                             \
  TARGET static void name##_input(                                                                              \
      const float *x, const float *next, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count,   \
      ptrdiff_t place, float *border, float *out, ptrdiff_t plane, ptrdiff_t panel) {                           \
    transform_input(tall, wide, x, next, height, width, first, count, place, border, out, plane, panel);        \
  }                                                                                                             \
  TARGET static void name##_output(                                                                             \
      const float *m, ptrdiff_t plane, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count,     \
      float bias, float *y) {                                                                                   \
    transform_output(tall, wide, m, plane, height, width, first, count, bias, y);                               \
  }

WINOGRAD(winograd_2x2, 0, 0)
WINOGRAD(winograd_2x4, 0, 1)
WINOGRAD(winograd_4x4, 1, 1)

#define WINOGRAD_ENTRY(name, high, across)                                          \
  {                                                                                 \
    .height = high, .width = across, .planes = (high + 2) * (across + 2),           \
    .weights = name##_weights, .input = name##_input, .output = name##_output,      \
  }

const ck_panels TABLE = {
    .elements = ELEMENTS,
    .rows = ROWS,
    .columns = COLUMNS,
    .panel = panel,
    .panels = panels,
    .pack_left = pack_left,
    .pack_right = pack_right,
    .prefetch_right = prefetch_right,
    .softmax = softmax,
    .scale = scale,
    .unpack = unpack,
    .winograd =
        {
            WINOGRAD_ENTRY(winograd_2x2, 2, 2),
            WINOGRAD_ENTRY(winograd_2x4, 2, 4),
            WINOGRAD_ENTRY(winograd_4x4, 4, 4),
        },
};
