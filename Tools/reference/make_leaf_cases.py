#!/usr/bin/env python3
"""Writes small cases for noise, resizing, image decoding and noise schedules.

    make_leaf_cases.py OUT [--seed 0]

OUT/noise/randn.safetensors        `sSEED.nSIZE`: torch.manual_seed(SEED); torch.randn(SIZE)
                                   `sSEED.nSIZE.everySTEP`: each STEP-th of these values
                                   `sSEED.then.K`: the K-th of several draws after one seeding
OUT/images/resize.safetensors      `CASE.in`, `CASE.out` [height, width, 3] or [height, width]; cases in resize.json
OUT/images/*.png, *.jpg            files; decoded.safetensors has Pillow's RGB pixels of each under its name
OUT/schedules/alphas_cumprod.json  scheduler configurations with the values that diffusers computes
"""

import argparse
import json
import pathlib
import struct
import zlib

import numpy
import torch
from PIL import Image
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from make_references import tidy

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR, "lanczos": Image.Resampling.LANCZOS}


def noise(out, seed):
  tensors = {}
  for s in (seed, 42, 2**31 + 7, 2**40 + 3):
    for n in (*range(1, 18), 31, 32, 33, 100, 1000, 4097):
      tensors[f"s{s}.n{n}"] = torch.randn(n, generator=torch.manual_seed(s))
    tensors[f"s{s}.n100000.every997"] = torch.randn(100_000, generator=torch.manual_seed(s))[::997].clone()
    torch.manual_seed(s)
    for k, n in enumerate((3, 5, 20, 1, 15, 16)):
      tensors[f"s{s}.then.{k}"] = torch.randn(n)
  save_file(tensors, out / "randn.safetensors")


def picture(rng, height, width, channels, levels=256):
  """Smooth waves, an edge and some grain."""
  y, x = numpy.mgrid[0:height, 0:width]
  planes = []
  for _ in range(channels):
    a, b, c = rng.uniform(0.05, 0.6, 3)
    plane = 0.5 + 0.35 * numpy.sin(a * x + b * y + 6 * c) + 0.05 * rng.standard_normal((height, width))
    plane[(x > c * width) & (y > b * height)] += 0.3
    planes.append(plane)
  return numpy.clip(numpy.stack(planes, -1) * (levels - 1), 0, levels - 1).astype(numpy.int64)


def resizes(out, seed):
  rng = numpy.random.default_rng(seed)
  tensors, cases = {}, []
  for i in range(36):
    name = list(FILTERS)[i % 3]
    mode = "L" if i % 4 == 3 else "RGB"
    (h, w), (H, W) = rng.integers(1, 49, 2).tolist(), rng.integers(1, 49, 2).tolist()
    if i < 3:
      (h, w), (H, W) = (37, 64), (64, 64)
    pixels = picture(rng, h, w, 3).astype(numpy.uint8)
    if i % 5 == 0:
      pixels = rng.integers(0, 256, pixels.shape, dtype=numpy.uint8)
    pixels = numpy.ascontiguousarray(pixels[..., 0]) if mode == "L" else pixels
    tensors[f"{i}.in"] = pixels
    tensors[f"{i}.out"] = numpy.asarray(Image.fromarray(pixels).resize((W, H), FILTERS[name])).copy()
    cases.append({"name": str(i), "filter": name, "mode": mode, "from": [h, w], "to": [H, W]})
  save_arrays(tensors, out / "resize.safetensors")
  (out / "resize.json").write_text(tidy(cases))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y, dx, dy


def png(samples, depth, colour, interlaced=False, chunks=()):
  """Encodes [height, width, channels] samples; every row takes the next of the five filters."""
  height, width, channels = samples.shape
  step = max(1, channels * depth // 8)

  def rows(part):
    data, before = b"", None
    for index, row in enumerate(part):
      values = row.reshape(-1)
      if depth == 16:
        line = values.astype(">u2").tobytes()
      else:
        bits = ((values[:, None] >> numpy.arange(depth - 1, -1, -1)) & 1).reshape(-1)
        line = numpy.packbits(bits.astype(numpy.uint8)).tobytes()
      line = numpy.frombuffer(line, numpy.uint8).astype(numpy.int64)
      above = numpy.zeros_like(line) if before is None else before
      left, corner = (numpy.concatenate([numpy.zeros(step, numpy.int64), v])[:len(line)] for v in (line, above))
      base = left + above - corner
      distances = numpy.stack([abs(base - left), abs(base - above), abs(base - corner)])
      paeth = numpy.choose(distances.argmin(0), [left, above, corner])
      kind = index % 5
      guess = [0, left, above, (left + above) // 2, paeth][kind]
      data += bytes([kind]) + ((line - guess) % 256).astype(numpy.uint8).tobytes()
      before = line
    return data

  if interlaced:
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES]
    body = b"".join(rows(p) for p in parts if p.size)
  else:
    body = rows(samples)

  def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

  header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
  return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in chunks)
    + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


def pictures(out, seed):
  rng = numpy.random.default_rng(seed + 1)
  grey, rgb, indexed, grey_alpha, rgba = 0, 2, 3, 4, 6
  channels = {grey: 1, rgb: 3, indexed: 1, grey_alpha: 2, rgba: 4}
  files = {}

  def add(name, depth, colour, chunks=(), entries=None):
    """`entries`: how many of the sample values occur, when not all."""
    for interlaced in (False, True):
      samples = picture(rng, 29, 37, channels[colour], entries or 2**depth)
      files[f"{name}{'-interlaced' if interlaced else ''}.png"] = png(samples, depth, colour, interlaced, chunks)

  for depth in (1, 2, 4, 8, 16):
    add(f"grey-{depth}", depth, grey)
  add("grey-16-dark", 16, grey, entries=600)  # Pillow cuts 16-bit grey at 255 instead of scaling it.
  for depth in (8, 16):
    add(f"rgb-{depth}", depth, rgb)
    add(f"rgba-{depth}", depth, rgba)
    add(f"grey-alpha-{depth}", depth, grey_alpha)
  for depth, entries in ((1, 2), (2, 4), (4, 13), (8, 200)):
    palette = rng.integers(0, 256, entries * 3, dtype=numpy.uint8).tobytes()
    add(f"palette-{depth}", depth, indexed, [(b"PLTE", palette)], entries)
  palette = rng.integers(0, 256, 60 * 3, dtype=numpy.uint8).tobytes()
  add("palette-8-transparent", 8, indexed, [(b"PLTE", palette), (b"tRNS", bytes(range(0, 240, 8)))], 60)
  add("grey-8-transparent", 8, grey, [(b"tRNS", struct.pack(">H", 120))])
  add("rgb-8-transparent", 8, rgb, [(b"tRNS", struct.pack(">HHH", 120, 100, 90))])
  add("rgb-8-gamma", 8, rgb, [(b"gAMA", struct.pack(">I", 100000))])
  for name, data in files.items():
    (out / name).write_bytes(data)

  image = Image.fromarray(picture(rng, 45, 61, 3).astype(numpy.uint8))
  exif = Image.Exif()
  exif[0x0112] = 6
  for name, source, options in (
      ("grey", image.convert("L"), {}), ("444", image, {"subsampling": "4:4:4"}), ("422", image, {"subsampling": "4:2:2"}),
      ("420", image, {"subsampling": "4:2:0"}), ("420-progressive", image, {"subsampling": "4:2:0", "progressive": True}),
      ("420-low", image, {"quality": 20}), ("rgb", image, {"keep_rgb": True}), ("cmyk", image.convert("CMYK"), {}),
      ("orientation-6", image, {"exif": exif}), ("restarts", image, {"restart_marker_rows": 1})):
    source.save(out / f"{name}.jpg", **{"quality": 88} | options)
    files[f"{name}.jpg"] = None

  decoded = {name: numpy.asarray(Image.open(out / name).convert("RGB")).copy() for name in files}
  save_arrays(decoded, out / "decoded.safetensors")


def schedules(out):
  rows = []
  for schedule, start, end, steps in (
      ("linear", 0.0001, 0.02, 1000), ("scaled_linear", 0.00085, 0.012, 1000), ("squaredcos_cap_v2", 0.0001, 0.02, 1000),
      ("scaled_linear", 0.0015, 0.0155, 250)):
    config = {"beta_schedule": schedule, "beta_start": start, "beta_end": end, "num_train_timesteps": steps}
    a = DDIMScheduler(**config).alphas_cumprod
    # Euler's sigmas begin at the noisiest step and end with a zero.
    sigmas = EulerDiscreteScheduler(**config).sigmas[:-1].flip(0)
    rows.append(config | {"alphas_cumprod": short(a), "euler_sigmas_every_50": short(sigmas[::50])})
  (out / "alphas_cumprod.json").write_text(tidy(rows))


def short(values):
  """The shortest decimals that give the float32 values back."""
  return [float(str(v)) for v in values.float().numpy()]


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--seed", type=int, default=0)
  args = parser.parse_args()
  for name in ("noise", "images", "schedules"):
    (args.out / name).mkdir(parents=True, exist_ok=True)
  noise(args.out / "noise", args.seed)
  resizes(args.out / "images", args.seed)
  pictures(args.out / "images", args.seed)
  schedules(args.out / "schedules")


if __name__ == "__main__":
  main()
