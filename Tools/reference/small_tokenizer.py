"""A small tokenizer in CLIP's file format, trained on captions that a grammar makes.

The vocabulary is laid out like CLIP's: 256 byte symbols, the same 256 with `</w>`, one entry per
merge, then `<|startoftext|>` and `<|endoftext|>`. Only the number of merges is smaller.
"""

import collections
import json
import pathlib
import random
import re

MERGES = 1000
START, END = "<|startoftext|>", "<|endoftext|>"

NOUNS = """dog cat horse bird elephant giraffe zebra bear sheep cow man woman child girl boy person
player surfer rider chef teacher bicycle car bus train truck boat airplane motorcycle skateboard
surfboard kite frisbee umbrella bench chair table couch bed clock vase book laptop keyboard phone
television oven refrigerator sink toilet pizza sandwich cake banana apple orange carrot broccoli
bowl cup fork knife spoon plate bottle glass bridge tower castle church house building street
mountain river lake beach ocean forest field garden flower tree cloud sunset moon star robot
dragon knight wizard spaceship astronaut portrait landscape photograph painting drawing sketch
sculpture poster teapot lantern guitar violin piano trumpet window door fence mirror blanket""".split()
ADJECTIVES = """red green blue yellow black white brown purple pink grey golden silver small large
tiny huge old young happy sad wooden metallic shiny fluffy striped spotted broken empty crowded
snowy sunny rainy foggy dark bright colorful vintage modern detailed realistic abstract beautiful
quiet busy wet dry tall short round square furry sleepy hungry ancient futuristic transparent""".split()
VERBS = """sitting standing running jumping sleeping eating drinking flying swimming riding holding
throwing catching watching reading playing walking looking leaning resting floating climbing
carrying pushing cooking smiling waiting dancing singing painting driving hiding falling""".split()
PLACES = """on|under|beside|behind|above|below|next to|in front of|on top of|near|inside|between|
against|across from|to the left of|to the right of|surrounded by|close to""".replace("\n", "").split("|")
STYLES = """oil painting|watercolor|digital art|high quality photo|black and white photograph|
pencil sketch|concept art|studio lighting|cinematic|4k|8k hd|macro shot|wide angle|trending|
3d render|pixel art|35mm film|close up|aerial view|night scene""".replace("\n", "").split("|")
NUMBERS = ["two", "three", "four", "five", "several", "many", "a few", "2", "3", "10", "a pair of"]


def plural(noun):
  if noun.endswith(("s", "sh", "ch", "x")):
    return noun + "es"
  return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def caption(rng):
  """One caption-like sentence."""
  def thing():
    words = [rng.choice(ADJECTIVES)] if rng.random() < 0.6 else []
    if rng.random() < 0.2:
      return " ".join([rng.choice(NUMBERS)] + words + [plural(rng.choice(NOUNS))])
    words.append(rng.choice(NOUNS))
    article = rng.choice(["the", "a", "a"])
    if article == "a" and words[0][0] in "aeiou":
      article = "an"
    return " ".join([article] + words)

  text = thing()
  if rng.random() < 0.6:
    text += " " + (rng.choice(["is ", ""]) + rng.choice(VERBS))
  if rng.random() < 0.8:
    text += f" {rng.choice(PLACES)} {thing()}"
  if rng.random() < 0.25:
    text += f" and {thing()}"
  if rng.random() < 0.2:
    text = f"a {rng.choice(['photo', 'picture', 'close-up', 'drawing', 'painting'])} of {text}"
  if rng.random() < 0.25:
    text += ", " + rng.choice(STYLES)
  if rng.random() < 0.1:
    text = f"it's {text}"
  if rng.random() < 0.3:
    text = text[0].upper() + text[1:]
  return text + rng.choice([".", "", "", "", "!", " ..."])


def byte_symbols():
  """The printable stand-in of each byte, in the order of CLIP's vocabulary."""
  printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
  rest = [b for b in range(256) if b not in printable]
  return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}


def words_of(text):
  """The pieces that byte pair encoding never joins, as CLIP splits plain English."""
  return re.findall(r"'s|[a-z]+|[0-9]|[^\sa-z0-9]+", text.lower())


def train(merges=MERGES, sentences=6000, seed=0):
  """Byte pair encoding on generated captions; returns the list of merged pairs."""
  rng = random.Random(seed)
  counts = collections.Counter()
  for _ in range(sentences):
    counts.update(words_of(caption(rng)))
  for word in NOUNS + ADJECTIVES + VERBS:
    counts[word] += 20
  return merged_pairs(counts, merges)


def merged_pairs(counts, merges):
  """At most `merges` pairs, most frequent first, from a count for each word."""
  symbols = byte_symbols()
  words = []
  for word, n in sorted(counts.items()):
    parts = [symbols[b] for b in word.encode()]
    parts[-1] += "</w>"
    words.append((parts, n))
  result = []
  while len(result) < merges:
    pairs = collections.Counter()
    for parts, n in words:
      for pair in zip(parts, parts[1:]):
        pairs[pair] += n
    if not pairs:
      break
    best = max(pairs.items(), key=lambda item: (item[1], item[0]))[0]
    result.append(best)
    for parts, _ in words:
      i = 0
      while i + 1 < len(parts):
        if (parts[i], parts[i + 1]) == best:
          parts[i:i + 2] = [parts[i] + parts[i + 1]]
        i += 1
  return result


def vocabulary(merges):
  symbols = list(byte_symbols().values())
  entries = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges] + [START, END]
  assert len(set(entries)) == len(entries)
  return {entry: i for i, entry in enumerate(entries)}


def write(folder, merges, pad=END, length=77):
  """Writes a tokenizer folder as a diffusers checkpoint has it, for captions of `length` tokens.

  Returns the vocabulary.

  As in published checkpoints, a padding token other than the end token stands only in
  `special_tokens_map.json`; `tokenizer_config.json` goes on naming the end token.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  vocab = vocabulary(merges)

  def added(text, typed):
    entry = {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return ({"__type": "AddedToken"} | entry) if typed else entry

  config = {
    "add_prefix_space": False, "bos_token": added(START, True), "do_lower_case": True,
    "eos_token": added(END, True), "errors": "replace", "model_max_length": length, "pad_token": END,
    "special_tokens_map_file": "./special_tokens_map.json", "tokenizer_class": "CLIPTokenizer",
    "unk_token": added(END, True)}
  special = {
    "bos_token": added(START, False), "eos_token": added(END, False), "pad_token": pad,
    "unk_token": added(END, False)}
  (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
  lines = ["#version: 0.2"] + [f"{a} {b}" for a, b in merges]
  (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
  (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
  (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
  return vocab
