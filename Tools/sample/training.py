"""What both training scripts share: seeds by step, learning-rate schedules, checkpoints, the loss log.

Step s draws everything from a generator seeded with (seed, s). A run that was stopped therefore goes on
exactly where its last checkpoint stands.
"""

import json
import os
import pathlib
import random

import numpy as np
import torch

import scenes


def generators(seed, step):
  """Python's and torch's generators for one step."""
  number = (seed << 32) + step
  return random.Random(number), torch.Generator().manual_seed(number)


def pictures(photographs, drawn):
  """Scenes as a tensor [N, 3, 64, 64] in -1…1."""
  pixels = np.stack([scenes.render(scene, photographs) for scene in drawn])
  return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def learning_rate(step, steps, peak, warmup, decay=0.25):
  """Linear warm-up, a plateau, and a linear decay to a twentieth over the last part of the run."""
  if step < warmup:
    return peak * (step + 1) / warmup
  start = steps * (1 - decay)
  return peak if step < start else peak * max(0.05, 1 - 0.95 * (step - start) / (steps - start))


def save(path, state):
  temporary = pathlib.Path(f"{path}.part")
  torch.save(state, temporary)
  os.replace(temporary, path)


class LossLog:
  """Running means of the loss, one JSON line each, appended; lines after a restored step are dropped."""

  def __init__(self, path, step):
    self.path = pathlib.Path(path)
    lines = self.path.read_text().splitlines() if self.path.exists() else []
    kept = [line for line in lines if json.loads(line)["step"] <= step]
    self.path.write_text("".join(line + "\n" for line in kept))
    self.values = []

  def add(self, value):
    self.values.append(value)

  def write(self, step, **more):
    record = {"step": step, "loss": round(sum(self.values) / len(self.values), 6), **more}
    self.values = []
    with self.path.open("a") as file:
      file.write(json.dumps(record) + "\n")
    print(json.dumps(record), flush=True)
