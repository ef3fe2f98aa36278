#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"

// What libpng's callbacks see.
typedef struct {
  const uint8_t *bytes;
  size_t count, position;
  char *message;
  jmp_buf escape;
} reader;

static void fail(png_structp png, png_const_charp text) {
  reader *r = png_get_error_ptr(png);
  snprintf(r->message, 256, "damaged PNG: %s", text);
  longjmp(r->escape, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t count) {
  reader *r = png_get_io_ptr(png);
  if (count > r->count - r->position) png_error(png, "the file is truncated");
  memcpy(to, r->bytes + r->position, count);
  r->position += count;
}

// Sets the transformations that give 8-bit RGB; 16-bit grey stays as it is, for `clip_grey`.
static void ask_for_rgb(png_structp png, int color, int depth) {
  int grey = color == PNG_COLOR_TYPE_GRAY;
  if (grey && depth == 16) return;
  if (depth == 16) png_set_strip_16(png);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (grey && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  // A palette has alpha too when there is a tRNS chunk.
  if (color & PNG_COLOR_MASK_ALPHA || color == PNG_COLOR_TYPE_PALETTE) png_set_strip_alpha(png);
  if (!(color & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
}

// Big-endian 16-bit grey to RGB in place, as Pillow converts mode I;16: values above 255 become 255.
static void clip_grey(uint8_t *row, size_t width) {
  for (size_t x = width; x-- > 0;) {
    uint8_t value = row[2 * x] ? 255 : row[2 * x + 1];
    row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = value;
  }
}

int cimage_decode_png(const uint8_t *bytes, size_t count, uint32_t max_side, cimage_result *result) {
  memset(result, 0, sizeof *result);
  reader r = {.bytes = bytes, .count = count, .message = result->message};
  // Volatile, because they change between setjmp and longjmp.
  png_structp volatile png = NULL;
  png_infop volatile info = NULL;
  if (setjmp(r.escape)) {
    png_structp png_now = png;
    png_infop info_now = info;
    png_destroy_read_struct(&png_now, &info_now, NULL);
    cimage_release(result);
    return 0;
  }
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fail, ignore_warning);
  info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    snprintf(result->message, sizeof result->message, "not enough memory for the image");
    longjmp(r.escape, 1);
  }
  png_set_read_fn(png, &r, read_bytes);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);  // our own limits give the better message
  png_set_chunk_malloc_max(png, 8 << 20);
  // Text, profiles and the like change no pixel.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(png, info);

  uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  int color = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  // Deflate shrinks its input 1032 times at most, so a larger claim cannot be true.
  uint64_t row_bytes = ((uint64_t)width * depth * png_get_channels(png, info) + 7) / 8;
  if (width <= CIMAGE_MAX_SIDE && height <= CIMAGE_MAX_SIDE && row_bytes * height / 1032 > count) {
    snprintf(
      result->message, sizeof result->message,
      "damaged PNG: %zu bytes cannot hold the %u × %u pixels of its header", count, width, height);
    longjmp(r.escape, 1);
  }
  if (!cimage_allocate(result, width, height, count, max_side)) longjmp(r.escape, 1);

  ask_for_rgb(png, color, depth);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t stride = (size_t)width * 3;
  int clipped = color == PNG_COLOR_TYPE_GRAY && depth == 16;
  if (png_get_rowbytes(png, info) != (clipped ? (size_t)width * 2 : stride)) {
    png_error(png, "unexpected row length");
  }
  for (int pass = 0; pass < passes; ++pass) {
    for (uint32_t y = 0; y < height; ++y) png_read_row(png, result->pixels + y * stride, NULL);
  }
  if (clipped) {
    for (uint32_t y = 0; y < height; ++y) clip_grey(result->pixels + y * stride, width);
  }
  png_structp png_now = png;
  png_infop info_now = info;
  png_destroy_read_struct(&png_now, &info_now, NULL);
  return 1;
}
