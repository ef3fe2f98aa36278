"""Scenes of tinted clothing photographs on a 64×64 canvas, with captions: the sample model's world.

Photographs are Fashion-MNIST's (Debian package `dataset-fashion-mnist`, MIT licence). A scene is one item,
or two items of which one stands to the left of, to the right of, above or below the other. Training scenes
use training photographs only, test scenes test photographs only. A tenth of the (kind, colour, place)
combinations never occurs in a training scene with two items: `HELD_OUT`.

Everything is drawn from `random.Random` and `numpy` generators that the caller seeds.
"""

import dataclasses
import gzip
import pathlib
import random

import numpy as np
from PIL import Image

SIZE = 64
DATASET = pathlib.Path("/usr/share/datasets/fashion-mnist")

# In the order of Fashion-MNIST's labels.
KINDS = ["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
COLOURS = {
  "red": (230, 45, 45), "green": (45, 185, 70), "blue": (60, 100, 240),
  "yellow": (240, 215, 50), "purple": (170, 70, 215), "white": (240, 240, 240)}
RELATIONS = {  # words of the caption, place of the subject, place of the object
  "left": (["to the left of", "left of"], "left", "right"),
  "right": (["to the right of", "right of"], "right", "left"),
  "above": (["above"], "above", "below"),
  "below": (["below"], "below", "above")}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}
PLACES = list(OPPOSITE)


def _held_out():
  triples = [(k, c, p) for k in KINDS for c in COLOURS for p in PLACES]
  return frozenset(random.Random("held out").sample(triples, len(triples) // 10))


HELD_OUT = _held_out()


@dataclasses.dataclass(frozen=True)
class Item:
  kind: str
  colour: str
  photograph: int  # index into the split's images
  size: int  # side in pixels
  x: int  # left edge
  y: int  # top edge


@dataclasses.dataclass(frozen=True)
class Scene:
  items: tuple  # one Item, or subject and object
  relation: str = ""  # of the subject to the object

  @property
  def held_out(self):
    """Whether a combination of kind, colour and place that training never shows is in the scene."""
    if len(self.items) < 2:
      return False
    _, here, there = RELATIONS[self.relation]
    return any((i.kind, i.colour, p) in HELD_OUT for i, p in zip(self.items, (here, there)))


class Photographs:
  """Images and labels of one split, `train` or `t10k`."""

  def __init__(self, split, folder=DATASET):
    def read(name, header):
      with gzip.open(pathlib.Path(folder) / f"{split}-{name}-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8)[header:]
    self.images = read("images-idx3", 16).reshape(-1, 28, 28)
    self.labels = read("labels-idx1", 8)
    self.of_kind = {kind: np.flatnonzero(self.labels == i) for i, kind in enumerate(KINDS)}

  def pick(self, rng, kind):
    return int(self.of_kind[kind][rng.randrange(len(self.of_kind[kind]))])


def single(photographs, rng, kind=None, colour=None):
  """A scene of one item of 36 to 56 pixels anywhere on the canvas."""
  kind, colour = kind or rng.choice(KINDS), colour or rng.choice(list(COLOURS))
  size = rng.randint(36, 56)
  x, y = rng.randint(0, SIZE - size), rng.randint(0, SIZE - size)
  return Scene((Item(kind, colour, photographs.pick(rng, kind), size, x, y),))


def _placed(rng, item, place):
  """The item at its place: near the middle of one half of the canvas, up to six pixels astray."""
  near = lambda centre: min(max(0, round(centre - item.size / 2)), SIZE - item.size)
  across = SIZE / 2 + rng.randint(-6, 6)
  along = (SIZE // 4 if place in ("left", "above") else SIZE - SIZE // 4) + rng.randint(-2, 2)
  x, y = (along, across) if place in ("left", "right") else (across, along)
  return dataclasses.replace(item, x=near(x), y=near(y))


def pair(photographs, rng, relation=None):
  """A scene of two items of 26 to 32 pixels that differ in kind and in colour."""
  relation = relation or rng.choice(list(RELATIONS))
  kinds, colours = rng.sample(KINDS, 2), rng.sample(list(COLOURS), 2)
  places = RELATIONS[relation][1:]
  items = [
    _placed(rng, Item(k, c, photographs.pick(rng, k), rng.randint(26, 32), 0, 0), p)
    for k, c, p in zip(kinds, colours, places)]
  return Scene(tuple(items), relation)


def training_scene(photographs, rng, singles=0.4):
  if rng.random() < singles:
    return single(photographs, rng)
  while True:
    scene = pair(photographs, rng)
    if not scene.held_out:
      return scene


def noun(kind, colour=None):
  words = f"{colour} {kind}" if colour else kind
  return words if kind == "trousers" else f"a {words}"


def caption(scene, rng=None, colours=True):
  """The scene in words. With `rng` one of several templates; without it the plainest one."""
  names = [noun(i.kind, i.colour if colours else None) for i in scene.items]
  text = names[0]
  if len(names) == 2:
    phrases = RELATIONS[scene.relation][0]
    text = f"{names[0]} {rng.choice(phrases) if rng else phrases[0]} {names[1]}"
  return f"a photo of {text}" if rng and rng.random() < 0.3 else text


def training_caption(scene, rng):
  """One of the templates; the colour of a single item is left out now and then."""
  return caption(scene, rng, colours=len(scene.items) == 2 or rng.random() >= 0.15)


def render(scene, photographs):
  """The picture, uint8 [64, 64, 3]: each photograph enlarged, tinted, and laid on black."""
  canvas = np.zeros((SIZE, SIZE, 3), np.float32)
  for item in scene.items:
    photo = Image.fromarray(photographs.images[item.photograph])
    grey = np.asarray(photo.resize((item.size, item.size), Image.BICUBIC), np.float32) / 255
    tinted = grey[:, :, None] * np.asarray(COLOURS[item.colour], np.float32)
    part = canvas[item.y:item.y + item.size, item.x:item.x + item.size]
    np.maximum(part, tinted, out=part)
  return canvas.round().clip(0, 255).astype(np.uint8)


def every_caption():
  """Every phrase that a caption can hold, for the tokenizer's vocabulary."""
  things = [noun(k, c) for k in KINDS for c in [None, *COLOURS]]
  phrases = [p for words, _, _ in RELATIONS.values() for p in words]
  return things + phrases + ["a photo of"]
