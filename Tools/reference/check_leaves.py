"""Compares tokenizer, noise and resizing with transformers, torch and Pillow on many cases.

    python check_leaves.py --bin ../../.build/release [--tokens FOLDER]

FOLDER is one that make_tokenizer_cases.py wrote with the full vocabulary; without it the fixtures' small
tokenizers are used. Ids must be equal, noise within 1e-6, resized pixels within one level of 255.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "Tests" / "Fixtures"


def tokens(program, cases, tokenizer, scratch):
  # Longer captions are refused, where transformers cuts them.
  items = [item for line in cases.read_text().splitlines() if len((item := json.loads(line))["text"]) <= 8192]
  lines = scratch / "captions.jsonl"
  lines.write_text("".join(json.dumps(item["text"]) + "\n" for item in items))
  done = subprocess.run([program, "tokenize", tokenizer, "--lines", lines], capture_output=True, text=True,
    check=True)
  wrong = [item for item, ids in zip(items, done.stdout.splitlines(), strict=True)
    if json.loads(ids) != item["ids"]]
  print(f"tokenizer: {len(items)} captions of {cases.name}, {len(wrong)} differ")
  for item in wrong[:5]:
    print(f"  {item['text']!r}")
  return len(wrong)


def noise(program, scratch):
  draw = random.Random(0)
  sizes = list(range(1, 40)) + [draw.randint(40, 100_000) for _ in range(60)] + [100_000]
  worst = 0.0
  for size in sizes:
    seed = draw.getrandbits(40)
    path = scratch / "noise.npy"
    subprocess.run([program, "noise", "--seed", str(seed), "--shape", str(size), "-o", path], check=True)
    torch.manual_seed(seed)
    worst = max(worst, float(np.abs(np.load(path) - torch.randn(size).numpy()).max()))
  print(f"noise: {len(sizes)} sizes from 1 to 100000, within {worst:.1e}")
  return worst > 1e-6


def resizing(program, scratch):
  draw = random.Random(1)
  filters = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR, "lanczos": Image.LANCZOS}
  worst = 0
  count = 120
  for number in range(count):
    width, height = draw.randint(1, 200), draw.randint(1, 200)
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(scratch / "in.png")
    size = draw.randint(1, 300), draw.randint(1, 300)
    name = draw.choice(list(filters))
    subprocess.run([program, "resize", scratch / "in.png", "--size", f"{size[0]},{size[1]}", "--filter", name,
      "-o", scratch / "out.png"], check=True)
    own = np.asarray(Image.open(scratch / "out.png")).astype(int)
    worst = max(worst, int(np.abs(own - np.asarray(Image.fromarray(pixels).resize(size, filters[name]))).max()))
  print(f"resize: {count} random images, three filters, within {worst} of 255")
  return worst > 1


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  parser.add_argument("--tokens", type=pathlib.Path)
  args = parser.parse_args()
  program = args.bin / "dsd"
  with tempfile.TemporaryDirectory() as folder:
    scratch = pathlib.Path(folder)
    failures = 0
    if args.tokens:
      for cases in sorted(args.tokens.glob("cases-*.jsonl")):
        tokenizer = args.tokens / cases.stem.replace("cases-pad-", "tokenizer-")
        failures += tokens(program, cases, tokenizer, scratch)
    else:
      for pad, kind in (("end", "sd15"), ("bang", "sd21base")):
        failures += tokens(program, FIXTURES / "tokenizer" / f"cases-pad-{pad}.jsonl",
          FIXTURES / "checkpoints" / kind / "tokenizer", scratch)
    failures += noise(program, scratch)
    failures += resizing(program, scratch)
  sys.exit(1 if failures else 0)


main()
