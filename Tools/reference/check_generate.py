#!/usr/bin/env python3
"""Compares `dsd generate` with diffusers' pipelines on checkpoints.

    check_generate.py --bin .build/release CHECKPOINT… [--seeds 0..2] [--steps 20] [--guidance 1,7.5]

Prints the mean and the largest difference of the 8-bit images for each sampler, seed and guidance scale. Exit code
1 when a mean is above the tolerance.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
from PIL import Image

import make_generation
import small_tokenizer


def run(command):
  done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
  if done.returncode:
    sys.exit(f"{' '.join(map(str, command))}\nexit code {done.returncode}: {done.stderr.strip()}")


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoints", nargs="+", type=pathlib.Path, metavar="CHECKPOINT")
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd")
  parser.add_argument("--sampler", action="append", choices=make_generation.SAMPLERS)
  parser.add_argument("--seeds", default="0..2", metavar="N..M")
  parser.add_argument("--steps", type=int, default=20)
  parser.add_argument("--guidance", default="7.5", metavar="SCALE,…")
  parser.add_argument("--text", action="append", help="captions to take in turn; default: made up ones")
  parser.add_argument("--negative")
  parser.add_argument("--size", metavar="WIDTHxHEIGHT")
  parser.add_argument("--tolerance", type=float, default=0.1, help="of the mean difference, in levels of 255")
  args = parser.parse_args()
  make_generation.quiet()
  first, _, last = args.seeds.partition("..")
  seeds = range(int(first), int(last or first) + 1)
  failures = 0
  print(f"{'checkpoint':12} {'sampler':7} {'seed':>4} {'guidance':>8} {'mean':>8} {'largest':>7}  caption")
  for folder in args.checkpoints:
    unet = json.loads((folder / "unet" / "config.json").read_text())
    vae = json.loads((folder / "vae" / "config.json").read_text())
    size = unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)
    width, height = map(int, args.size.split("x")) if args.size else (size, size)
    with tempfile.TemporaryDirectory() as work:
      graph, made = pathlib.Path(work) / "graph.pb", pathlib.Path(work) / "out.png"
      run([args.bin / "dsd", "import", folder, "-o", graph])
      for sampler in args.sampler or make_generation.SAMPLERS:
        pipe = make_generation.pipeline(folder, sampler)
        for seed in seeds:
          caption = args.text[seed % len(args.text)] if args.text else small_tokenizer.caption(random.Random(seed))
          for guidance in map(float, args.guidance.split(",")):
            theirs, _ = make_generation.generate(pipe, caption, args.negative, args.steps, guidance, seed, width, height)
            run([args.bin / "dsd", "generate", graph, "--weights", folder, "--text", caption, "--sampler", sampler,
              "--steps", args.steps, "--guidance", guidance, "--seed", seed, "-o", made]
              + (["--negative", args.negative] if args.negative is not None else [])
              + (["--size", args.size] if args.size else []))
            ours = numpy.asarray(Image.open(made))
            difference = numpy.abs(ours.astype(int) - theirs.astype(int)) if ours.shape == theirs.shape else numpy.array([255])
            good = difference.mean() <= args.tolerance
            failures += not good
            print(f"{folder.name:12} {sampler:7} {seed:4} {guidance:8} {difference.mean():8.4f} {difference.max():7}  {caption}"
              + ("" if good else "  DIFFERS"))
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
