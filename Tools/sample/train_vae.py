"""Trains the sample model's autoencoder: 64×64 pixels to 16×16×4 latents and back.

    python Tools/sample/train_vae.py WORK

WORK gets `vae.pt` (goes on from there when it exists), `vae-loss.jsonl` and at the end `vae/` in
diffusers' layout with the scaling factor that gives latents of unit variance.
"""

import argparse
import pathlib
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import scenes
import training

# Steps and weight of the divergence, phase after phase, each with its own warm-up and decay: latents near a
# normal distribution first, then sharper ones.
PHASES = [(1200, 1e-5), (800, 1e-6)]


def model():
  return AutoencoderKL(
    in_channels=3, out_channels=3, latent_channels=4, sample_size=64, block_out_channels=(32, 64, 64),
    layers_per_block=1, norm_num_groups=8, down_block_types=("DownEncoderBlock2D",) * 3,
    up_block_types=("UpDecoderBlock2D",) * 3)


def edges(x):
  return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def reconstruction(y, x):
  """Absolute error, squared error, and the absolute error of differences between neighbours."""
  sharpness = sum((a - b).abs().mean() for a, b in zip(edges(y), edges(x)))
  return (y - x).abs().mean() + 2 * (y - x).square().mean() + sharpness


def phase(step):
  """The phase that a step belongs to: step within it, its length, its divergence's weight."""
  for length, weight in PHASES:
    if step < length:
      return step, length, weight
    step -= length
  raise ValueError("no such step")


def drawn(photographs, rng, count):
  return [scenes.training_scene(photographs, rng) for _ in range(count)]


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("work", type=pathlib.Path)
  parser.add_argument("--batch", type=int, default=16)
  parser.add_argument("--rate", type=float, default=1e-3)
  parser.add_argument("--seed", type=int, default=1)
  parser.add_argument("--threads", type=int, default=2)
  options = parser.parse_args()
  options.work.mkdir(parents=True, exist_ok=True)
  torch.set_num_threads(options.threads)
  torch.manual_seed(options.seed)

  photographs = scenes.Photographs("train")
  vae = model().to(memory_format=torch.channels_last).train()
  optimiser = torch.optim.AdamW(vae.parameters(), lr=options.rate, betas=(0.9, 0.99), weight_decay=0.0)
  path, step = options.work / "vae.pt", 0
  if path.exists():
    state = torch.load(path, weights_only=True)
    vae.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    step = state["step"]
  steps = sum(length for length, _ in PHASES)
  log, started = training.LossLog(options.work / "vae-loss.jsonl", step), time.time()
  while step < steps:
    rng, generator = training.generators(options.seed, step)
    x = training.pictures(photographs, drawn(photographs, rng, options.batch))
    x = x.to(memory_format=torch.channels_last)
    within, length, weight = phase(step)
    for group in optimiser.param_groups:
      group["lr"] = training.learning_rate(within, length, options.rate, 50, decay=0.5)
    with torch.autocast("cpu", torch.bfloat16):
      posterior = vae.encode(x).latent_dist
      mean, deviation = posterior.mean.float(), posterior.std.float()
      z = mean + deviation * torch.randn(mean.shape, generator=generator)
      y = vae.decode(z).sample.float()
    divergence = 0.5 * (mean.square() + deviation.square() - 1 - 2 * deviation.log()).sum((1, 2, 3)).mean()
    loss = reconstruction(y, x) + weight * divergence
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
    optimiser.step()
    step += 1
    log.add(float((y - x).detach().abs().mean()))
    if step % 25 == 0 or step == steps:
      log.write(step, divergence=round(float(divergence.detach()), 2), seconds=round(time.time() - started, 1))
    if step % 100 == 0 or step == steps:
      training.save(path, {"model": vae.state_dict(), "optimiser": optimiser.state_dict(), "step": step})

  vae.eval()
  rng, _ = training.generators(options.seed + 1, 0)
  with torch.no_grad():
    parts = [
      vae.encode(training.pictures(photographs, drawn(photographs, rng, 64))).latent_dist.mean
      for _ in range(8)]
  vae.register_to_config(scaling_factor=round(1 / float(torch.cat(parts).std()), 5))
  vae.save_pretrained(options.work / "vae")
  print("scaling factor", vae.config.scaling_factor)


if __name__ == "__main__":
  main()
