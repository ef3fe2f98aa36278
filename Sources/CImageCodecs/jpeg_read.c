#include <setjmp.h>
#include <stdio.h>
#include <string.h>
// jpeglib.h needs FILE and size_t declared before it.
#include <jpeglib.h>
#include <jerror.h>

#include "limits.h"

// More scans than any encoder writes: each costs a pass over the image.
#define MAX_SCANS 500
// Blocks that all scans together may visit for each byte of the file (of 1 MiB at least).
#define BLOCK_VISITS 24

typedef struct {
  struct jpeg_progress_mgr base;
  size_t count;  // of the file's bytes
} progress_monitor;

typedef struct {
  struct jpeg_error_mgr base;
  char *message;
  jmp_buf escape;
} error_manager;

static void fail(j_common_ptr jpeg) {
  error_manager *errors = (error_manager *)jpeg->err;
  char text[JMSG_LENGTH_MAX];
  errors->base.format_message(jpeg, text);
  snprintf(errors->message, 256, "damaged JPEG: %.*s", 200, text);
  longjmp(errors->escape, 1);
}

// Decoding goes on after a warning, as Pillow does.
static void count_warning(j_common_ptr jpeg, int level) {
  if (level < 0) jpeg->err->num_warnings++;
}

static void print_nothing(j_common_ptr jpeg) { (void)jpeg; }

static void refuse(j_decompress_ptr jpeg, const char *text) {
  error_manager *errors = (error_manager *)jpeg->err;
  snprintf(errors->message, 256, "damaged JPEG: %s", text);
  longjmp(errors->escape, 1);
}

static void limit_scans(j_common_ptr common) {
  j_decompress_ptr jpeg = (j_decompress_ptr)common;
  size_t count = ((progress_monitor *)jpeg->progress)->count;
  if (count < 1u << 20) count = 1u << 20;
  uint64_t blocks = (uint64_t)jpeg->image_width * jpeg->image_height / 64 * (unsigned)jpeg->num_components;
  uint64_t scans = (uint64_t)(jpeg->input_scan_number > 0 ? jpeg->input_scan_number : 0);
  if (scans > MAX_SCANS || (scans > 1 && scans * blocks > (uint64_t)BLOCK_VISITS * count)) {
    refuse(jpeg, "too many scans");
  }
}

static void start_source(j_decompress_ptr jpeg) { (void)jpeg; }

static boolean no_more_bytes(j_decompress_ptr jpeg) {
  refuse(jpeg, "the file is truncated");
  return FALSE;
}

static void skip_bytes(j_decompress_ptr jpeg, long count) {
  if (count <= 0) return;
  if ((size_t)count > jpeg->src->bytes_in_buffer) no_more_bytes(jpeg);
  jpeg->src->next_input_byte += count;
  jpeg->src->bytes_in_buffer -= count;
}

static uint8_t divide_by_255(unsigned product) {
  unsigned rounded = product + 128;
  return (uint8_t)((rounded + (rounded >> 8)) >> 8);
}

// Inverted CMYK (Adobe's habit, which Pillow takes for granted) to RGB: c' = k' − c·k'/255.
static void convert_cmyk(const uint8_t *cmyk, uint8_t *rgb, size_t width) {
  for (size_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    unsigned light = cmyk[3];
    for (int i = 0; i < 3; ++i) {
      rgb[i] = (uint8_t)(light - divide_by_255((255u - cmyk[i]) * light));
    }
  }
}

static void read_rows(j_decompress_ptr jpeg, cimage_result *result) {
  size_t width = result->width;
  int components = jpeg->out_color_components;
  JSAMPARRAY buffer = jpeg->mem->alloc_sarray(
    (j_common_ptr)jpeg, JPOOL_IMAGE, (JDIMENSION)(width * components), 1);
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *row = result->pixels + jpeg->output_scanline * width * 3;
    if (jpeg_read_scanlines(jpeg, buffer, 1) != 1) refuse(jpeg, "the file is truncated");
    if (components == 3) {
      memcpy(row, buffer[0], width * 3);
    } else if (components == 1) {
      for (size_t x = 0; x < width; ++x) {
        row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = buffer[0][x];
      }
    } else {
      convert_cmyk(buffer[0], row, width);
    }
  }
}

int cimage_decode_jpeg(const uint8_t *bytes, size_t count, uint32_t max_side, cimage_result *result) {
  memset(result, 0, sizeof *result);
  struct jpeg_decompress_struct jpeg;
  memset(&jpeg, 0, sizeof jpeg);
  error_manager errors = {.message = result->message};
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = fail;
  errors.base.emit_message = count_warning;
  errors.base.output_message = print_nothing;
  if (setjmp(errors.escape)) {
    jpeg_destroy_decompress(&jpeg);
    cimage_release(result);
    return 0;
  }
  jpeg_create_decompress(&jpeg);
  struct jpeg_source_mgr source = {
    .next_input_byte = bytes, .bytes_in_buffer = count, .init_source = start_source,
    .fill_input_buffer = no_more_bytes, .skip_input_data = skip_bytes,
    .resync_to_restart = jpeg_resync_to_restart, .term_source = start_source};
  jpeg.src = &source;
  progress_monitor progress = {.base.progress_monitor = limit_scans, .count = count};
  jpeg.progress = &progress.base;

  jpeg_read_header(&jpeg, TRUE);
  // A Huffman-coded block takes a bit at least, and an image has a block for every 256 pixels at least.
  uint64_t blocks = (uint64_t)jpeg.image_width * jpeg.image_height / 256;
  if (!jpeg.arith_code && blocks / 8 > count) {
    snprintf(
      result->message, sizeof result->message,
      "damaged JPEG: %zu bytes cannot hold the %u × %u pixels of its header", count, jpeg.image_width,
      jpeg.image_height);
    longjmp(errors.escape, 1);
  }
  switch (jpeg.num_components) {
    case 1: jpeg.out_color_space = JCS_GRAYSCALE; break;
    case 3: jpeg.out_color_space = JCS_RGB; break;
    case 4: jpeg.out_color_space = JCS_CMYK; break;
    default: refuse(&jpeg, "neither grey, RGB nor CMYK");
  }
  if (!cimage_allocate(result, jpeg.image_width, jpeg.image_height, count, max_side)) {
    longjmp(errors.escape, 1);
  }
  jpeg_start_decompress(&jpeg);
  read_rows(&jpeg, result);
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return 1;
}
