// For fdopen and O_CLOEXEC.
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/CImageCodecs.h"

typedef struct {
  char *message;
  jmp_buf escape;
} writer;

static void fail(png_structp png, png_const_charp text) {
  writer *w = png_get_error_ptr(png);
  snprintf(w->message, 256, "%s", text);
  longjmp(w->escape, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t count) {
  if (fwrite(bytes, 1, count, png_get_io_ptr(png)) != count) png_error(png, strerror(errno));
}

static void flush(png_structp png) { (void)png; }

static int write_stream(
  FILE *file, const uint8_t *pixels, uint32_t width, uint32_t height, char *message) {
  writer w = {.message = message};
  // Volatile, because they change between setjmp and longjmp.
  png_structp volatile png = NULL;
  png_infop volatile info = NULL;
  if (setjmp(w.escape)) {
    png_structp png_now = png;
    png_infop info_now = info;
    png_destroy_write_struct(&png_now, &info_now);
    return 0;
  }
  png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, fail, ignore_warning);
  info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    snprintf(message, 256, "not enough memory to write the image");
    longjmp(w.escape, 1);
  }
  png_set_write_fn(png, file, write_bytes, flush);
  png_set_IHDR(
    png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
    PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; ++y) png_write_row(png, pixels + (size_t)y * width * 3);
  png_write_end(png, NULL);
  png_structp png_now = png;
  png_infop info_now = info;
  png_destroy_write_struct(&png_now, &info_now);
  return 1;
}

// Devices and pipes are written to as they are.
static int write_directly(
  const char *path, const uint8_t *pixels, uint32_t width, uint32_t height, char *message) {
  FILE *file = fopen(path, "wb");
  int done = file && write_stream(file, pixels, width, height, message);
  if (!file || (fclose(file) != 0 && done)) {
    snprintf(message, 256, "%s", strerror(errno));
    done = 0;
  }
  return done;
}

int cimage_write_png(
  const char *path, const uint8_t *pixels, uint32_t width, uint32_t height, char message[256]) {
  struct stat status;
  if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
    return write_directly(path, pixels, width, height, message);
  }
  size_t room = strlen(path) + 48;
  char *temporary = malloc(room);
  if (!temporary) {
    snprintf(message, 256, "not enough memory to write the image");
    return 0;
  }
  // A name that no other call uses; O_EXCL refuses links and old files.
  static _Atomic unsigned serial;
  int descriptor = -1;
  for (int attempt = 0; attempt < 100 && descriptor < 0; ++attempt) {
    snprintf(temporary, room, "%s.tmp-%ld-%u", path, (long)getpid(), serial++);
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && errno != EEXIST) break;
  }
  FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
  int done = 0;
  if (!file) {
    snprintf(message, 256, "%s", strerror(errno));
    if (descriptor >= 0) close(descriptor);
  } else {
    done = write_stream(file, pixels, width, height, message);
    if (fclose(file) != 0 && done) {
      snprintf(message, 256, "%s", strerror(errno));
      done = 0;
    }
    if (done && rename(temporary, path) != 0) {
      snprintf(message, 256, "%s", strerror(errno));
      done = 0;
    }
  }
  if (!done && descriptor >= 0) unlink(temporary);
  free(temporary);
  return done;
}
