#include "limits.h"

#include <stdio.h>
#include <stdlib.h>

int cimage_allocate(cimage_result *result, uint64_t width, uint64_t height) {
  if (width == 0 || height == 0) {
    snprintf(result->message, sizeof result->message, "an image without pixels");
    return 0;
  }
  if (width > CIMAGE_MAX_SIDE || height > CIMAGE_MAX_SIDE || width * height > CIMAGE_MAX_PIXELS) {
    snprintf(
      result->message, sizeof result->message,
      "%llu × %llu pixels are more than the limit of %d a side and %d in all",
      (unsigned long long)width, (unsigned long long)height, CIMAGE_MAX_SIDE, CIMAGE_MAX_PIXELS);
    return 0;
  }
  result->pixels = malloc(width * height * 3);
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
