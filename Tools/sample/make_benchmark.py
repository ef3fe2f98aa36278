"""Makes the matching benchmark and the demo's pictures from Fashion-MNIST's test photographs.

    python Tools/sample/make_benchmark.py Graphs/sample

writes `benchmark/items.jsonl` with its pictures in two atlases (`scenes.png`, `clothing.png`), and `images/`
with `captions.jsonl`. The format of items is described in Specs/items.md.

    python Tools/sample/make_benchmark.py Graphs/sample --training --items 128

writes `training/`, items to learn from: scenes of training photographs.

Each of the 500 base scenes has four variants that differ from it in one respect: another kind of subject,
another kind of object, the places exchanged, the colours exchanged. All else stays, the photographs too.
"""

import argparse
import dataclasses
import json
import pathlib
import random

import numpy as np
from PIL import Image

import scenes

COLUMNS = 50
LEVELS = 41  # of brightness per colour, so that one palette of 8 bits holds every picture


def palette():
  ramp = np.arange(LEVELS + 1)[:, None] / LEVELS
  colours = [np.asarray(c, np.float32)[None] * ramp for c in scenes.COLOURS.values()]
  return np.concatenate(colours).round().astype(np.uint8)


def indexed(pixels, colours):
  """Index of the nearest palette colour, [height, width]."""
  flat, inverse = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
  distance = (flat[:, None].astype(np.int32) - colours[None].astype(np.int32)) ** 2
  return distance.sum(2).argmin(1).astype(np.uint8)[inverse].reshape(pixels.shape[:2])


class Atlas:
  """Pictures side by side in one indexed PNG; `add` returns the reference of a picture."""

  def __init__(self, name):
    self.name, self.tiles, self.colours = name, [], palette()

  def add(self, pixels):
    n, s = len(self.tiles), scenes.SIZE
    self.tiles.append(indexed(pixels, self.colours))
    return f"{self.name}#xywh={n % COLUMNS * s},{n // COLUMNS * s},{s},{s}"

  def save(self, folder):
    s, rows = scenes.SIZE, -(-len(self.tiles) // COLUMNS)
    whole = np.zeros((rows * s, COLUMNS * s), np.uint8)
    for n, tile in enumerate(self.tiles):
      whole[n // COLUMNS * s:, n % COLUMNS * s:][:s, :s] = tile
    save_indexed(whole, self.colours, folder / self.name)


def save_indexed(indices, colours, path):
  image = Image.fromarray(indices, "P")
  image.putpalette(colours.tobytes())
  image.save(path, optimize=True)


def other_kind(photographs, rng, item, avoid):
  kind = rng.choice([k for k in scenes.KINDS if k not in avoid])
  return dataclasses.replace(item, kind=kind, photograph=photographs.pick(rng, kind))


def variants(photographs, rng, base):
  """The base scene's four near misses, by task."""
  first, second = base.items
  kinds = {first.kind, second.kind}
  swap = lambda a, b: dataclasses.replace(a, x=b.x + (b.size - a.size) // 2, y=b.y + (b.size - a.size) // 2)
  inside = lambda i: dataclasses.replace(
    i, x=min(max(0, i.x), scenes.SIZE - i.size), y=min(max(0, i.y), scenes.SIZE - i.size))
  return {
    "subject": dataclasses.replace(base, items=(other_kind(photographs, rng, first, kinds), second)),
    "object": dataclasses.replace(base, items=(first, other_kind(photographs, rng, second, kinds))),
    "relation": dataclasses.replace(
      base, items=(inside(swap(first, second)), inside(swap(second, first))),
      relation=scenes.OPPOSITE[base.relation]),
    "colour": dataclasses.replace(
      base, items=(
        dataclasses.replace(first, colour=second.colour), dataclasses.replace(second, colour=first.colour)))}


def write_items(path, items):
  path.write_text("".join(json.dumps(item) + "\n" for item in items))
  for task in dict.fromkeys(i["task"] for i in items):
    held_out = [i.get("held_out", False) for i in items if i["task"] == task]
    print(f"{path}: {task}, {len(held_out)} items, {sum(held_out)} with a held-out combination")


def pairs(photographs, rng, count, folder):
  atlas, items = Atlas("scenes.png"), {}
  for n in range(count):
    base = scenes.pair(photographs, rng)
    picture = atlas.add(scenes.render(base, photographs))
    for task, other in variants(photographs, rng, base).items():
      items.setdefault(task, []).append({
        "id": f"{task}/{n:04}", "task": task,
        "images": [picture, atlas.add(scenes.render(other, photographs))],
        "texts": [scenes.caption(base), scenes.caption(other)],
        "right": [[0, 0], [1, 1]], "held_out": base.held_out or other.held_out})
  atlas.save(folder)
  return [item for task in items.values() for item in task]


def clothing(photographs, rng, count, folder):
  atlas, items = Atlas("clothing.png"), []
  for n in range(count):
    scene = scenes.single(photographs, rng, kind=scenes.KINDS[n % len(scenes.KINDS)])
    item = scene.items[0]
    items.append({
      "id": f"clothing/{n:04}", "task": "clothing", "images": [atlas.add(scenes.render(scene, photographs))],
      "texts": [scenes.noun(kind, item.colour) for kind in scenes.KINDS],
      "right": [[0, scenes.KINDS.index(item.kind)]]})
  atlas.save(folder)
  return items


def demo(photographs, rng, folder):
  """Six pictures, each with its caption and three that are wrong."""
  folder.mkdir(parents=True, exist_ok=True)
  items = []
  for n in range(6):
    base = scenes.pair(photographs, rng)
    while base.held_out:
      base = scenes.pair(photographs, rng)
    name = f"scene-{n + 1}.png"
    save_indexed(indexed(scenes.render(base, photographs), palette()), palette(), folder / name)
    near = variants(photographs, rng, base)
    items.append({
      "id": f"demo/{n + 1}", "task": "demo", "images": [name],
      "texts": [scenes.caption(s) for s in [base, near["subject"], near["object"], near["colour"]]],
      "right": [[0, 0]]})
  write_items(folder / "captions.jsonl", items)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("--items", type=int, default=500)
  parser.add_argument("--seed", type=int, default=7)
  parser.add_argument("--split", default="t10k", help="t10k (the benchmark) or train (to choose settings on)")
  parser.add_argument("--training", action="store_true", help="items to learn from, in training/")
  options = parser.parse_args()
  if options.training:
    options.split, options.seed = "train", options.seed + 100
  photographs = scenes.Photographs(options.split)
  folder = options.folder / ("training" if options.training else "benchmark")
  folder.mkdir(parents=True, exist_ok=True)
  items = pairs(photographs, random.Random(options.seed), options.items, folder)
  items += clothing(photographs, random.Random(options.seed + 1), options.items, folder)
  write_items(folder / "items.jsonl", items)
  if options.training:
    return
  demo(photographs, random.Random(options.seed + 2), options.folder / "images")


if __name__ == "__main__":
  main()
