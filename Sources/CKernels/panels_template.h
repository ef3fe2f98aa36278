// The functions of ck_panels for one instruction set: ROWS of a left panel, LANES of a vector (16 or 8), TARGET and the
// name of the TABLE. A right panel is two vectors wide.
#include <math.h>
#include <string.h>

#include "ck_exp.h"
#include "ck_math.h"

typedef float vec __attribute__((vector_size(LANES * 4), aligned(4)));

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

INLINE void store_part(float *p, vec v, ptrdiff_t count) {
  if (count >= LANES) store(p, v);
  else memcpy(p, &v, count * sizeof(float));
}

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

#define PANEL(name, vectors)                                                                                    \
  TARGET static void name(                                                                                      \
      ptrdiff_t k, const float *restrict left, const float *restrict right, float *restrict c, ptrdiff_t stride, \
      int adds, const float *row_start, const float *column_start) {                                            \
    vec sum[ROWS][vectors];                                                                                     \
    UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = (vec){0};        \
    for (ptrdiff_t p = 0; p < k; p++) {                                                                         \
      vec b[vectors];                                                                                           \
      UNROLL for (int j = 0; j < vectors; j++) b[j] = load(right + j * LANES);                                  \
      UNROLL for (int i = 0; i < ROWS; i++) {                                                                   \
        const vec a = left[i] - (vec){0};                                                                       \
        UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = __builtin_elementwise_fma(a, b[j], sum[i][j]);     \
      }                                                                                                         \
      left += ROWS;                                                                                             \
      right += COLUMNS;                                                                                         \
    }                                                                                                           \
    if (adds) {                                                                                                 \
      UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < vectors; j++)                            \
        sum[i][j] += load(c + i * stride + j * LANES);                                                          \
    }                                                                                                           \
    if (row_start) {                                                                                            \
      UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < vectors; j++) sum[i][j] += row_start[i]; \
    }                                                                                                           \
    if (column_start) {                                                                                         \
      UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < vectors; j++)                            \
        sum[i][j] += load(column_start + j * LANES);                                                            \
    }                                                                                                           \
    UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < vectors; j++)                              \
      store(c + i * stride + j * LANES, sum[i][j]);                                                             \
  }

PANEL(panel_of_two, 2)
PANEL(panel_of_one, 1)

TARGET static void panel(
    ptrdiff_t k, const float *left, const float *right, float *c, ptrdiff_t stride, ptrdiff_t height, ptrdiff_t width,
    int adds, const float *row_start, const float *column_start) {
  if (height == ROWS && width == COLUMNS) {
    panel_of_two(k, left, right, c, stride, adds, row_start, column_start);
  } else if (height == ROWS && width == LANES) {
    panel_of_one(k, left, right, c, stride, adds, row_start, column_start);
  } else {
    // At an edge the product is computed beside C.
    float edge[ROWS * COLUMNS];
    if (width > LANES) panel_of_two(k, left, right, edge, COLUMNS, 0, NULL, NULL);
    else panel_of_one(k, left, right, edge, COLUMNS, 0, NULL, NULL);
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
      vec r[LANES];
      if (there == taken && count == LANES) {
        UNROLL for (int i = 0; i < LANES; i++) r[i] = i < taken ? load(source + i * stride) * factor : (vec){0};
        transpose(r);
        UNROLL for (int i = 0; i < LANES; i++) store(out + (p + i) * width + start, r[i]);
        continue;
      }
      for (ptrdiff_t i = 0; i < LANES; i++)
        r[i] = i < there ? load_part(source + i * stride, count) * factor : (vec){0};
      transpose(r);
      for (ptrdiff_t i = 0; i < count; i++) store(out + (p + i) * width + start, r[i]);
    }
  }
}

// Packs stored rows as they are: out[p * width + i] = factor * x[p, i] for i below `count`, then zeros.
INLINE void pack_rows(
    const float *x, ptrdiff_t stride, ptrdiff_t count, ptrdiff_t k, ptrdiff_t width, float factor, float *out) {
  if (count >= width && width % LANES == 0) {
    for (ptrdiff_t p = 0; p < k; p++)
      for (ptrdiff_t i = 0; i < width; i += LANES) store(out + p * width + i, load(x + p * stride + i) * factor);
    return;
  }
  for (ptrdiff_t p = 0; p < k; p++) {
    for (ptrdiff_t i = 0; i < width; i += LANES) {
      const ptrdiff_t left = count - i, room = width - i;
      vec v = load_part(x + p * stride + i, left < room ? left : room);
      store_part(out + p * width + i, v * factor, room);
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
  CK_LOOP for (int j = 0; j < COLUMNS; j++) row[j] = ck_expf(row[j] - base[j]);
  sum[0] += load(row);
  sum[1] += load(row + LANES);
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
  for (; i + 4 <= count; i += 4)
    UNROLL for (int p = 0; p < 4; p++) add_exponentials(x + (i + p) * COLUMNS, base, part[p]);
  for (; i < count; i++) add_exponentials(x + i * COLUMNS, base, part[0]);
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

TARGET static void winograd_weights(
    const float *w, ptrdiff_t stride, ptrdiff_t outputs, ptrdiff_t count, float *panel, ptrdiff_t plane) {
  // LANES channels of a kernel's 9 elements, one output a lane.
  float taps[9 * LANES * LANES] __attribute__((aligned(64)));
  for (ptrdiff_t c = 0; c < count; c += LANES) {
    const ptrdiff_t channels = least(LANES, count - c);
    for (ptrdiff_t part = 0; part < 9 && part * LANES < channels * 9; part++) {
      const ptrdiff_t left = channels * 9 - part * LANES;
      vec r[LANES];
      UNROLL for (int o = 0; o < LANES; o++)
        r[o] = o < ROWS && o < outputs ? load_part(w + o * stride + c * 9 + part * LANES, left) : (vec){0};
      transpose(r);
      UNROLL for (int i = 0; i < LANES; i++) store(taps + (part * LANES + i) * LANES, r[i]);
    }
    for (ptrdiff_t i = 0; i < channels; i++) {
      vec m[4][3];
      UNROLL for (int x = 0; x < 3; x++) {
        const float *g = taps + (i * 9 + x) * LANES;
        const vec g0 = load(g), g1 = load(g + 3 * LANES), g2 = load(g + 6 * LANES);
        const vec sum = (g0 + g2) * 0.5f, half = g1 * 0.5f;
        m[0][x] = g0, m[1][x] = sum + half, m[2][x] = sum - half, m[3][x] = g2;
      }
      // Lanes past the panel's rows are overwritten by the next channel.
      float *target = panel + (c + i) * ROWS;
      UNROLL for (int y = 0; y < 4; y++) {
        const vec sum = (m[y][0] + m[y][2]) * 0.5f, half = m[y][1] * 0.5f;
        store(target + (4 * y + 0) * plane, m[y][0]);
        store(target + (4 * y + 1) * plane, sum + half);
        store(target + (4 * y + 2) * plane, sum - half);
        store(target + (4 * y + 3) * plane, m[y][2]);
      }
    }
  }
}

TARGET static void winograd_input(
    const float *x, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count, ptrdiff_t place,
    float *border, float *out, ptrdiff_t plane, ptrdiff_t panel) {
  const ptrdiff_t across = (width + 1) / 2, top = first / across, bottom = (first + count - 1) / across;
  // The rows that the tiles meet, with zeros around the image.
  const ptrdiff_t stride = width + 2 * LANES + 8;
  for (ptrdiff_t line = 0; line < 2 * (bottom - top) + 4; line++) {
    const ptrdiff_t row = 2 * top - 1 + line;
    float *target = border + line * stride;
    if (row >= 0 && row < height) {
      target[0] = 0;
      memcpy(target + 1, x + row * width, width * sizeof(float));
      memset(target + 1 + width, 0, (stride - 1 - width) * sizeof(float));
    } else {
      memset(target, 0, stride * sizeof(float));
    }
  }
  for (ptrdiff_t tile = first; tile < first + count;) {
    const ptrdiff_t row = tile / across, column = tile % across, at = place + tile - first;
    const ptrdiff_t wanted = least(across - column, first + count - tile);
    const ptrdiff_t lanes = least(least(LANES, wanted), COLUMNS - at % COLUMNS);
    vec d[4][4];
    UNROLL for (int i = 0; i < 4; i++) {
      const float *s = border + (2 * (row - top) + i) * stride + 2 * column;
      const vec a = load(s), b = load(s + LANES), c = load(s + 2), e = load(s + LANES + 2);
      const vec d0 = EVEN(a, b), d1 = ODD(a, b), d2 = EVEN(c, e), d3 = ODD(c, e);
      d[i][0] = d0 - d2, d[i][1] = d1 + d2, d[i][2] = d2 - d1, d[i][3] = d1 - d3;
    }
    float *target = out + at / COLUMNS * panel + at % COLUMNS;
    UNROLL for (int j = 0; j < 4; j++) {
      const vec e[4] = {d[0][j] - d[2][j], d[1][j] + d[2][j], d[2][j] - d[1][j], d[1][j] - d[3][j]};
      UNROLL for (int i = 0; i < 4; i++) store_part(target + (4 * i + j) * plane, e[i], lanes);
    }
    tile += lanes;
  }
}

TARGET static void winograd_output(
    const float *m, ptrdiff_t plane, ptrdiff_t height, ptrdiff_t width, ptrdiff_t first, ptrdiff_t count, float bias,
    float *y) {
  const ptrdiff_t across = (width + 1) / 2;
  for (ptrdiff_t tile = first; tile < first + count;) {
    const ptrdiff_t row = 2 * (tile / across), column = 2 * (tile % across);
    const ptrdiff_t lanes = least(least(LANES, across - column / 2), first + count - tile);
    const float *s = m + (tile - first);
    vec r[2][4];
    UNROLL for (int j = 0; j < 4; j++) {
      const vec a0 = load(s + j * plane), a1 = load(s + (4 + j) * plane);
      const vec a2 = load(s + (8 + j) * plane), a3 = load(s + (12 + j) * plane);
      r[0][j] = a0 + a1 + a2, r[1][j] = a1 - a2 - a3;
    }
    const ptrdiff_t wide = least(2 * lanes, width - column);
    UNROLL for (int i = 0; i < 2; i++) {
      if (row + i >= height) continue;
      const vec even = r[i][0] + r[i][1] + r[i][2] + bias, odd = r[i][1] - r[i][2] - r[i][3] + bias;
      float *target = y + (row + i) * width + column;
      store_part(target, ZIP_LOW(even, odd), wide);
      if (wide > LANES) store_part(target + LANES, ZIP_HIGH(even, odd), wide - LANES);
    }
    tile += lanes;
  }
}

const ck_panels TABLE = {
    .rows = ROWS,
    .columns = COLUMNS,
    .panel = panel,
    .pack_left = pack_left,
    .pack_right = pack_right,
    .softmax = softmax,
    .scale = scale,
    .unpack = unpack,
    .winograd_weights = winograd_weights,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
};
