// PNG and JPEG to and from 8-bit RGB in memory, by libpng and libjpeg.
#ifndef CIMAGECODECS_H
#define CIMAGECODECS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The longest side that is read, in pixels.
#define CIMAGE_MAX_SIDE 32768
// The most pixels that are read: the size above which Pillow refuses an image.
#define CIMAGE_MAX_PIXELS 178956970

// A decoded image, or the reason why there is none.
typedef struct {
  uint8_t *pixels;  // height × width × 3 bytes, row by row; NULL after an error
  uint32_t width, height;
  char message[256];  // one line
} cimage_result;

// Decode a whole file given as bytes. They return 1 on success. The pixels are those of Pillow's
// `Image.open(file).convert("RGB")`: alpha is dropped, gamma and colour profiles are ignored, 16-bit
// colour keeps the high byte, 16-bit grey is clipped to 255, an EXIF orientation is not applied. An image
// with a side of more than `max_side` pixels is refused before its pixels take memory.
int cimage_decode_png(const uint8_t *bytes, size_t count, uint32_t max_side, cimage_result *result);
int cimage_decode_jpeg(const uint8_t *bytes, size_t count, uint32_t max_side, cimage_result *result);

// Frees the pixels of a result.
void cimage_release(cimage_result *result);

// Writes an 8-bit RGB PNG beside `path` and renames it to `path`; a device or pipe is written to as it
// is. Returns 1 on success; otherwise nothing is left behind and `message` holds the reason, in one
// line.
int cimage_write_png(
  const char *path, const uint8_t *pixels, uint32_t width, uint32_t height, char message[256]);

#ifdef __cplusplus
}
#endif

#endif
