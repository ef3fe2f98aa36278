#!/usr/bin/env python3
"""Follows `dsd train` with torch, step by step: ten steps of AdamW on adapters of the small checkpoints.

    check_steps.py --bin .build/release [--kind sd15] [--method lora:2]

Torch starts from the same values (`dsd adapter` writes them), takes the same examples, timesteps and noise, and goes on
by itself: diffusers' models, autograd, torch.optim.AdamW, clip_grad_norm_. Fails when a step's loss differs by more
than 1e-4, relatively.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import diffusers
import torch
import transformers

import check_gradients
import check_training
import make_checkpoints
import make_references
from check_scores import run

STEPS, BATCH, MARGIN, SEED = 10, 3, 0.5, 5
# Adam moves a tensor's element by its rate however small the gradient is: with the usual 1e-8, elements whose gradient
# is rounding alone go either way.
EPS = 1e-6
# With their learning rates.
METHODS = {"prompt-tokens:3": 0.005, "kv-tokens:2": 0.005, "lora:2": 0.001, "lora:3,layers=both": 0.001}
TOLERANCE = 1e-4


class Draws(check_training.SplitMix64):
  """The generator behind timesteps and noise."""

  ORDER = 1

  def below(self, bound):
    return (self.next() * bound) >> 64


def items(captions):
  return [
    {"id": "one", "task": "t", "images": ["image-a.png"], "texts": captions[:3], "right": [[0, 1]]},
    {"id": "two", "task": "t", "images": ["image-a.png", "image-b.png"], "texts": captions[1:3], "right": [[0, 0], [1, 1]]}]


def follow(kind, method, loss, bin, work):
  """The losses of every step: ours, torch's, and torch's in float64."""
  folder = make_checkpoints.make(kind, work / "checkpoint", 1)
  graph = folder / "graph.pb"
  run([bin / "dsd", "import", folder, "-o", graph])
  paths = dict(zip(("image-a.png", "image-b.png"), make_references.make_images(work, 1)))
  listed = items(make_references.CAPTIONS)
  (work / "items.jsonl").write_text("".join(json.dumps(i) + "\n" for i in listed))
  start = work / "start.safetensors"
  run([bin / "dsd", "adapter", graph, method, "-o", start, "--seed", SEED])
  run([bin / "dsd", "train", graph, "--items", work / "items.jsonl", "--method", method, "-o", work / "out.safetensors",
    "--log", work / "log.jsonl", "--steps", STEPS, "--batch", BATCH, "--lr", METHODS[method], "--margin", MARGIN, "--loss", loss,
    "--run-seed", SEED, "--eps", EPS])
  ours = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]

  theirs = [list(torch_steps(folder, method, loss, start, listed, paths, kind)) for kind in (torch.float32, torch.float64)]
  return [o["loss"] for o in ours], *theirs


def torch_steps(folder, method, loss, start, listed, paths, dtype):
  model, leaves = check_gradients.adapted(method, folder, start)
  for part in (model.unet, model.vae, *model.encoders):
    part.requires_grad_(False)
    part.eval()
    part.to(dtype)
  for leaf in leaves.values():
    leaf.data = leaf.data.to(dtype)
  leaves = [leaf.requires_grad_() for leaf in leaves.values()]
  optimizer = torch.optim.AdamW(leaves, lr=METHODS[method], weight_decay=0.01, eps=EPS, foreach=False)
  latents = {n: model.latent(make_references.preprocess(p, model.size).to(dtype)).detach() for n, p in paths.items()}
  edge, channels = model.unet.config.sample_size, model.unet.config.in_channels
  rows = list(check_training.examples(listed))
  by_id = {i["id"]: i for i in listed}

  def score(identifier, image, text, t, noise):
    item = by_id[identifier]
    latent = latents[item["images"][image]].repeat(2, 1, 1, 1)
    states, pooled = check_gradients.embed(model, [item["texts"][text], ""])
    attention, bias = check_gradients.terms(model, latent, noise.to(dtype).repeat(2, 1, 1, 1), t, states, pooled)
    return attention[0] + bias[0] - bias[1]

  orders = {}
  for step in range(STEPS):
    losses = []
    for place in range(BATCH):
      epoch, at = divmod(step * BATCH + place, len(rows))
      if epoch not in orders:
        orders[epoch] = check_training.SplitMix64(SEED, epoch).order(len(rows))
      identifier, pairs = rows[orders[epoch][at]]
      draws = Draws(SEED, step, place)
      generator = torch.Generator().manual_seed(draws.next() & 0xFFFFFFFF)
      t = draws.below(1000)
      noise = torch.randn(1, channels, edge, edge, generator=generator)
      scores = torch.stack([score(identifier, *pair, t, noise) for pair in pairs])
      if loss == "hinge":
        losses.append(torch.relu(MARGIN + scores[1:].max() - scores[0]))
      else:
        losses.append(torch.nn.functional.cross_entropy(scores[None], torch.tensor([0])))
    mean = torch.stack(losses).mean()
    optimizer.zero_grad()
    mean.backward()
    torch.nn.utils.clip_grad_norm_(leaves, 1.0)
    optimizer.step()
    yield mean.item()


def worst(losses, others):
  return max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(losses, others))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd")
  parser.add_argument("--kind", choices=make_checkpoints.KINDS, action="append")
  parser.add_argument("--method", choices=METHODS, action="append")
  args = parser.parse_args()
  torch.set_num_threads(1)
  transformers.logging.set_verbosity_error()
  diffusers.utils.logging.set_verbosity_error()
  transformers.logging.disable_progress_bar()
  failures = 0
  for kind in args.kind or make_checkpoints.KINDS:
    for method in args.method or METHODS:
      for loss in ("hinge", "cross-entropy"):
        with tempfile.TemporaryDirectory() as work:
          ours, single, double = follow(kind, method, loss, args.bin, pathlib.Path(work))
        apart, own = worst(ours, single), worst(single, double)
        failures += apart > TOLERANCE
        print(f"{kind:9} {method:20} {loss:14} losses {single[0]:.4f} … {single[-1]:.4f}, from torch's {apart:.1e}, "
          f"from float64 {worst(ours, double):.1e} (torch's float32 {own:.1e})" + ("  DIFFERS" if apart > TOLERANCE else ""), flush=True)
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
