#!/usr/bin/env python3
"""Writes texts with the ids that `transformers.CLIPTokenizer` gives.

    make_tokenizer_cases.py --sample OUT   some 300 cases for the fixtures' small tokenizer
    make_tokenizer_cases.py OUT            6,000 cases for CLIP's full vocabulary

The full vocabulary comes out of a merges file in CLIP's own format (`--bpe`), as the package
`open_clip_torch` holds one: `pip install --no-deps open_clip_torch`, or name its wheel.

A line is {"text": …, "ids": […]}: start token, text, end token, at most 77, not padded. There is a
file per padding token, because one that is not the end token changes how texts are read: it is a
special token, found before words are split.

`--against FOLDER` compares with another release of transformers, installed by
`pip install --no-deps --target FOLDER 'transformers<5' 'tokenizers<0.23' 'huggingface_hub<1'`.
"""

import argparse
import gzip
import importlib.util
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import zipfile

import small_tokenizer

SCRIPTS = [  # Ranges of code points.
  (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF),
  (0x400, 0x4FF), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
  (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x13A0, 0x13F5), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F),
  (0x2190, 0x27BF), (0x2C00, 0x2DFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xE0FF),
  (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFEF), (0x10330, 0x1034A), (0x10400, 0x1044F),
  (0x1D400, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F6FF), (0x1F900, 0x1F9FF), (0x20000, 0x2A6DF), (0x0, 0x1F)]
PIECES = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u0085", "\u200b", "\u200d", "\ufeff", "'s", "'S",
  "'t", "n't", "'re", "\u2019s", "'ll", "'d", "''", "a", "The", "42", "3.14", "#1", "...", "!!", "!", "?!", "<|endoftext|>",
  "<|startoftext|>", "<|EndOfText|>", "<|", "|>", "e\u0301", "\u00e9", "A\u030a", "\u212b", "\ufb01", "\u01c5", "\u0130", "\u1e9e",
  "\u03a3\u039f\u03a3", "\u1100\u1161\u11a8", "\u0958", "\u2126", "\u00bd", "\u00b2", "\u2167", "\u0661", "\U0001d7d8",
  "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f", "\U0001f1eb\U0001f1f7", "\x00", "\x7f", "\ufffd", "&amp;", "_", "\\", "\""]
FIXED = ["", " ", "!", "a dog!", "a dog !", "Hello!! World", "a dog<|endoftext|>a cat", "<|startoftext|> a dog", "it's the dog's",
  "IT'S", "don\u2019t", "caf\u00e9", "cafe\u0301", "\u00c5ngstr\u00f6m", "\u039f\u0394\u039f\u03a3 \u03c3", "stra\u00dfe \u1e9e", "\u0130stanbul",
  "a\u00a0b", "a\u3000b", "a\u200bb", "tab\tnew\nline", "x" * 200, "!" * 100, "dog " * 100, "a photo of " * 30 + "!", "\u4e2d\u6587\u5b57\u7b26",
  "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab\uad6d", "123456", "1,234.5", "4k uhd", "a_b-c", "(red:1.3)", "\U0001f600\U0001f680 go", "word" * 2500]


def random_text(rng):
  """A string of pieces and of characters from a few scripts, or from anywhere."""
  ranges = rng.sample(SCRIPTS, rng.randint(1, 3))
  out = []
  for _ in range(rng.randint(1, 30)):
    kind = rng.random()
    if kind < 0.25:
      out.append(rng.choice(PIECES))
    elif kind < 0.30:
      point = rng.randrange(0x110000 - 0x800)
      out.append(chr(point if point < 0xD800 else point + 0x800))
    elif kind < 0.40:
      out.append(" ")
    else:
      out.append(chr(rng.randint(*rng.choice(ranges))))
  return "".join(out)


def texts(captions, randoms, seed):
  rng = random.Random(seed)
  result = list(FIXED)
  while len(result) < len(FIXED) + captions:
    joined = rng.choice([1, 1, 1, 2, 3, 8])
    result.append(" ".join(small_tokenizer.caption(rng) for _ in range(joined)))
  return result + [random_text(rng) for _ in range(randoms)]


def full_merges(path):
  """CLIP's own merges: the lines of its file that its tokenizer uses."""
  if path is None:
    spec = importlib.util.find_spec("open_clip")
    if spec is None:
      sys.exit("no merges file: install open_clip_torch or give --bpe")
    path = pathlib.Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
  data = path.read_bytes()
  if path.suffix == ".whl":
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
      data = wheel.read(next(n for n in wheel.namelist() if n.endswith("bpe_simple_vocab_16e6.txt.gz")))
  lines = gzip.decompress(data).decode().split("\n")
  return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


def encode(folder, lines):
  from transformers import CLIPTokenizer
  tokenizer = CLIPTokenizer.from_pretrained(folder)
  return [tokenizer(text, truncation=True, max_length=77).input_ids for text in lines]


def compare(folder, cases):
  """Prints where this release of transformers gives other ids than the cases say."""
  import transformers
  rows = [json.loads(line) for line in cases.read_text(encoding="utf-8").split("\n") if line]
  for name in ("CLIPTokenizer", "CLIPTokenizerFast"):
    tokenizer = getattr(transformers, name).from_pretrained(folder)
    wrong = [r for r in rows if tokenizer(r["text"], truncation=True, max_length=77).input_ids != r["ids"]]
    plain = [r for r in wrong if r["text"].isascii() and r["text"].isprintable()]
    print(f"{name} of transformers {transformers.__version__}, {cases.name}: {len(wrong)} of {len(rows)} differ, {len(plain)} of them printable ASCII")
    for r in (plain + wrong)[:6]:
      print("  ", ascii(r["text"][:80]))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--sample", action="store_true")
  parser.add_argument("--bpe", type=pathlib.Path)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--against", type=pathlib.Path)
  parser.add_argument("--compare", nargs=2, type=pathlib.Path, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.compare:
    compare(*args.compare)
    return
  merges = small_tokenizer.train() if args.sample else full_merges(args.bpe)
  lines = texts(130, 140, args.seed) if args.sample else texts(5000, 1000, args.seed)
  for title, pad in (("end", small_tokenizer.END), ("bang", "!")):
    folder = args.out / f"tokenizer-{title}"
    small_tokenizer.write(folder, merges, pad)
    file = args.out / f"cases-pad-{title}.jsonl"
    with file.open("w", encoding="utf-8") as out:
      for text, ids in zip(lines, encode(folder, lines)):
        out.write(json.dumps({"text": text, "ids": ids}) + "\n")
    print(file, len(lines), "cases")
    if args.against:
      subprocess.run([sys.executable, __file__, args.out, "--compare", folder, file], check=True,
        env=os.environ | {"PYTHONPATH": str(args.against)})
    if args.sample:  # The checkpoints hold the same two folders.
      shutil.rmtree(folder)


if __name__ == "__main__":
  main()
