#include "limits.h"

#include <stdio.h>
#include <stdlib.h>

// Pixels may take this many bytes whatever the file's size, and above that so many for each of its bytes: a
// file of hardly any content shall not cost seconds and gigabytes.
#define FREE_BYTES (64u << 20)
#define EXPANSION 64

int cimage_allocate(
  cimage_result *result, uint64_t width, uint64_t height, size_t count, uint32_t max_side) {
  if (width == 0 || height == 0) {
    snprintf(result->message, sizeof result->message, "an image without pixels");
    return 0;
  }
  if (width > max_side || height > max_side || width * height > CIMAGE_MAX_PIXELS) {
    snprintf(
      result->message, sizeof result->message,
      "%llu × %llu pixels are more than the limit of %u a side and %d in all",
      (unsigned long long)width, (unsigned long long)height, max_side, CIMAGE_MAX_PIXELS);
    return 0;
  }
  uint64_t bytes = width * height * 3;
  if (bytes > FREE_BYTES && bytes / EXPANSION > count) {
    snprintf(
      result->message, sizeof result->message, "%zu bytes are too few for %llu × %llu pixels", count,
      (unsigned long long)width, (unsigned long long)height);
    return 0;
  }
  result->pixels = malloc(bytes);
  if (!result->pixels) {
    snprintf(result->message, sizeof result->message, "not enough memory for the image");
    return 0;
  }
  result->width = (uint32_t)width;
  result->height = (uint32_t)height;
  return 1;
}

void cimage_release(cimage_result *result) {
  free(result->pixels);
  result->pixels = NULL;
}
