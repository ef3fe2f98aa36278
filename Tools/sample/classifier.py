"""A small classifier of single items, trained on scenes of Fashion-MNIST's training photographs.

It sees a 64×64 picture of one item as brightness at 32×32, so colour cannot help it.

    python Tools/sample/classifier.py WORK     trains WORK/classifier.pt, prints its test accuracy
"""

import argparse
import pathlib
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import scenes


def network():
  def stage(inputs, outputs):
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
  return nn.Sequential(
    *stage(1, 24), *stage(24, 24), nn.MaxPool2d(2), *stage(24, 48), *stage(48, 48), nn.MaxPool2d(2),
    *stage(48, 96), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, 128), nn.ReLU(),
    nn.Linear(128, len(scenes.KINDS)))


def brightness(pixels):
  """[N, 64, 64, 3] uint8 to [N, 1, 32, 32] in 0…1, the largest at 1: tints are told apart by hue alone."""
  grey = torch.from_numpy(pixels.max(-1).astype(np.float32))[:, None]
  grey = F.avg_pool2d(grey, 2)
  return grey / grey.amax((1, 2, 3), keepdim=True).clamp(min=1)


def examples(photographs, rng, count):
  drawn = [scenes.single(photographs, rng) for _ in range(count)]
  pixels = np.stack([scenes.render(s, photographs) for s in drawn])
  return brightness(pixels), torch.tensor([scenes.KINDS.index(s.items[0].kind) for s in drawn])


def colour_of(pixels):
  """The palette colour whose direction is nearest to the picture's summed colour, as a name."""
  names = list(scenes.COLOURS)
  palette = np.asarray([scenes.COLOURS[n] for n in names], np.float64)
  palette /= np.linalg.norm(palette, axis=1, keepdims=True)
  total = pixels.reshape(-1, 3).astype(np.float64).sum(0)
  return names[int((palette @ total).argmax())]


def train(path, steps=2500, batch=64):
  torch.manual_seed(3)
  rng, photographs = random.Random(3), scenes.Photographs("train")
  model = network()
  optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
  rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
  for step in range(steps):
    x, y = examples(photographs, rng, batch)
    loss = F.cross_entropy(model(x), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    rate.step()
    if step % 250 == 249:
      print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
  model.eval()
  x, y = examples(scenes.Photographs("t10k"), random.Random(4), 2000)
  with torch.inference_mode():
    right = (model(x).argmax(1) == y).float().mean().item()
  print(f"accuracy on 2,000 scenes of test photographs: {right:.3f}")
  torch.save(model.state_dict(), path)


def load(path):
  model = network()
  model.load_state_dict(torch.load(path, weights_only=True))
  return model.eval()


if __name__ == "__main__":
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("work", type=pathlib.Path)
  train(parser.parse_args().work / "classifier.pt")
