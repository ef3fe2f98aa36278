#include "ck_convolution.h"
#include <string.h>

// A few elements, a multiple of 4. The barrier keeps this from becoming a call that takes longer than the copy.
static inline __attribute__((always_inline)) void copy(const float *x, ptrdiff_t count, float *y) {
  for (ptrdiff_t i = 0; i < count; i += 4) {
    memcpy(y + i, x + i, 4 * sizeof(float));
    __asm__ volatile("");
  }
}

static ptrdiff_t border_width(const ck_window *w) {
  const ptrdiff_t reach = (w->kernel_width - 1) * w->dilation_width;
  // Padding at the right is what the kernel's reach leaves.
  return w->width + (reach > w->padding_width ? reach : w->padding_width) + w->padding_width;
}

static ptrdiff_t border_height(const ck_window *w, ptrdiff_t rows) {
  return rows + (w->kernel_height - 1) * w->dilation_height;
}

ptrdiff_t ck_unfold_border(const ck_window *w, ptrdiff_t rows) { return border_height(w, rows) * border_width(w); }

CK_DISPATCH void ck_unfold(
    const float *x, ptrdiff_t channels, const ck_window *w, ptrdiff_t first, ptrdiff_t rows, float *border,
    float *out, ptrdiff_t stride) {
  const ptrdiff_t height = w->height, width = w->width, across = border_width(w), down = border_height(w, rows);
  memset(border, 0, down * across * sizeof(float));
  for (ptrdiff_t channel = 0; channel < channels; channel++, x += height * width) {
    for (ptrdiff_t i = 0; i < down; i++) {
      const ptrdiff_t row = first + i - w->padding_height;
      if (row < 0 || row >= height) continue;
      copy(x + row * width, width, border + i * across + w->padding_width);
    }
    for (ptrdiff_t p = 0; p < w->kernel_height; p++)
      for (ptrdiff_t q = 0; q < w->kernel_width; q++, out += stride) {
        const float *source = border + p * w->dilation_height * across + q * w->dilation_width;
        for (ptrdiff_t i = 0; i < rows; i++, source += across) copy(source, width, out + i * width);
      }
  }
}
