"""The sample model's tokenizer, CLIP's file format with a vocabulary of the captions' own words."""

import collections
import pathlib
import sys

import scenes

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import small_tokenizer  # noqa: E402

LENGTH = 32


def write_tokenizer(folder):
  """Every word of a caption becomes one token; any other text is spelled in bytes. Returns its size."""
  counts = collections.Counter()
  for phrase in scenes.every_caption():
    counts.update(small_tokenizer.words_of(phrase))
  merges = small_tokenizer.merged_pairs(counts, 10_000)
  return len(small_tokenizer.write(folder, merges, small_tokenizer.END, LENGTH))
