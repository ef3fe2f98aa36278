#ifndef CIMAGE_LIMITS_H
#define CIMAGE_LIMITS_H

#include "include/CImageCodecs.h"

// Checks a header's size and allocates the pixels; `count` is the file's size in bytes. Returns 0 with a
// message when the size is refused.
int cimage_allocate(
  cimage_result *result, uint64_t width, uint64_t height, size_t count, uint32_t max_side);

#endif
