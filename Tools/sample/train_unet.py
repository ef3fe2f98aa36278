"""Trains the sample model's text encoder and UNet on latents of training scenes.

    python Tools/sample/train_unet.py WORK

WORK holds `vae/` (train_vae.py). It gets `tokenizer/`, `latents-N.npy` (the encoded training scenes),
`unet.pt` (goes on from there when it exists), `plateau.pt` (before the learning rate decays: the place to
go on from with more `--steps`), and `unet-loss.jsonl`.
"""

import argparse
import copy
import dataclasses
import pathlib
import shutil
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import scenes
import text
import training

SCHEDULE = dict(
  num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
  prediction_type="epsilon", clip_sample=False, steps_offset=1)
WIDTH = 128  # of the text encoder's states


@dataclasses.dataclass(frozen=True)
class Phase:
  """What the steps from `start` on are like."""

  start: int
  # Timesteps are drawn as T·u^power, u uniform in 0…1: below 1, high noise is more frequent.
  power: float = 1.0
  # Share of scenes with one item.
  singles: float = 0.4
  # Whether word order is taught: see `Reading`, `WORDS_ONLY` and `for_binding`. Without it the pictures have the
  # right things in any arrangement, and stay so for thousands of steps.
  binding: bool = True


PHASES = [
  Phase(0, binding=False), Phase(3_800), Phase(5_200, power=0.6, singles=0.2),
  Phase(10_800, power=0.8)]
READING_WEIGHT = 0.05
# This share of the captions is seen without the positions from the end token on. Those know the whole caption, and
# a UNet that reads nothing else attends to no word in particular.
WORDS_ONLY = 0.5
SLOTS = ["single", *scenes.PLACES]


def text_model(tokenizer):
  return CLIPTextModel(CLIPTextConfig(
    vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=3,
    num_attention_heads=4, max_position_embeddings=text.LENGTH, hidden_act="quick_gelu",
    projection_dim=WIDTH, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    pad_token_id=tokenizer.eos_token_id))


def unet_model():
  return UNet2DConditionModel(
    sample_size=16, in_channels=4, out_channels=4, block_out_channels=(64, 128, 128), layers_per_block=1,
    down_block_types=("CrossAttnDownBlock2D",) * 3, up_block_types=("CrossAttnUpBlock2D",) * 3,
    attention_head_dim=4, cross_attention_dim=WIDTH, norm_num_groups=16)


def scene(photographs, seed, index):
  return scenes.training_scene(photographs, training.generators(seed, index)[0])


def encoded(options, photographs):
  """Latents [N, 4, 16, 16] of N training scenes, scaled to unit variance, in float16; kept in a file."""
  path = options.work / f"latents-{options.scenes}.npy"
  if path.exists():
    return np.load(path, mmap_mode="r")
  vae = AutoencoderKL.from_pretrained(options.work / "vae").eval().to(memory_format=torch.channels_last)
  latents = np.empty((options.scenes, 4, 16, 16), np.float16)
  started = time.time()
  for first in range(0, options.scenes, 250):
    drawn = [scene(photographs, options.seed, i) for i in range(first, min(first + 250, options.scenes))]
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
      pixels = training.pictures(photographs, drawn).to(memory_format=torch.channels_last)
      mean = vae.encode(pixels).latent_dist.mean.float() * vae.config.scaling_factor
    latents[first:first + len(drawn)] = mean.numpy()
    if first % 10_000 == 0:
      print(f"encoded {first + len(drawn)} scenes, {time.time() - started:.0f} s", flush=True)
  np.save(path.with_suffix(".part.npy"), latents)
  path.with_suffix(".part.npy").rename(path)
  return latents


class Reading(torch.nn.Module):
  """Reads the scene back from the text encoder's states after the caption's end; thrown away in the end.

  For every slot, a single item's or a place's: which kind and which colour stands there, if any. It makes the
  encoder keep who is where in what colour, which the noise alone teaches very slowly.
  """

  def __init__(self):
    super().__init__()
    self.choices = len(scenes.KINDS) + 1, len(scenes.COLOURS) + 1
    self.linear = torch.nn.Linear(WIDTH, len(SLOTS) * sum(self.choices))

  def loss(self, states, ids, end, drawn, captions):
    """Cross-entropy at the end token and at the last padding token, over captions that are not empty."""
    rows = [i for i, caption in enumerate(captions) if caption]
    kinds, colours = [[w.index(n) if n in w else len(w) for i in rows for n in names(drawn[i], captions[i])]
      for w, names in ((scenes.KINDS, self.kinds), (list(scenes.COLOURS), self.colours))]
    first_end = (ids == end).int().argmax(1)
    total = 0
    for where in (first_end, torch.full_like(first_end, ids.shape[1] - 1)):
      read = self.linear(states[rows, where[rows]].float()).unflatten(-1, (len(SLOTS), -1)).flatten(0, 1)
      for logits, target in zip(read.split(self.choices, -1), (kinds, colours)):
        total = total + F.cross_entropy(logits, torch.tensor(target))
    return total

  @staticmethod
  def by_slot(scene):
    return dict(zip(scenes.RELATIONS[scene.relation][1:] if scene.relation else ["single"], scene.items))

  def kinds(self, scene, caption):
    found = self.by_slot(scene)
    return [found[slot].kind if slot in found else None for slot in SLOTS]

  def colours(self, scene, caption):
    """None where the slot is empty or the caption leaves the colour out."""
    found = self.by_slot(scene)
    return [found[s].colour if s in found and found[s].colour in caption else None for s in SLOTS]


class Captioner:
  """Token ids of the scenes' captions, and the captions, a tenth of them empty."""

  def __init__(self, tokenizer):
    self.tokenizer, self.known = tokenizer, {}

  def ids(self, drawn, rng, dropout=0.1):
    captions = ["" if rng.random() < dropout else scenes.training_caption(s, rng) for s in drawn]
    for caption in captions:
      if caption not in self.known:
        self.known[caption] = self.tokenizer(
          caption, padding="max_length", truncation=True, max_length=text.LENGTH).input_ids
    return torch.tensor([self.known[caption] for caption in captions]), captions


def visible(ids, end, rng):
  """Which positions each caption shows to the UNet, boolean [N, length]."""
  words = (ids == end).cumsum(1) == 0
  whole = torch.tensor([rng.random() >= WORDS_ONLY for _ in ids])
  return words | whole[:, None]


def average(kept, models, step):
  """Exponential moving average of the weights, quick at first."""
  decay = min(0.9995, (1 + step) / (10 + step))
  with torch.no_grad():
    for slow, fast in zip(kept, models):
      torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), 1 - decay)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("work", type=pathlib.Path)
  parser.add_argument("--steps", type=int, default=12_000)
  parser.add_argument("--batch", type=int, default=32)
  parser.add_argument("--rate", type=float, default=6e-4)
  parser.add_argument("--scenes", type=int, default=48_000)
  parser.add_argument("--seed", type=int, default=2)
  parser.add_argument("--threads", type=int, default=2)
  options = parser.parse_args()
  torch.set_num_threads(options.threads)
  torch.manual_seed(options.seed)

  photographs = scenes.Photographs("train")
  latents = encoded(options, photographs)
  text.write_tokenizer(options.work / "tokenizer")
  captioner = Captioner(CLIPTokenizer.from_pretrained(options.work / "tokenizer"))
  drawn = [scene(photographs, options.seed, i) for i in range(options.scenes)]
  alone = [i for i, s in enumerate(drawn) if len(s.items) == 1]
  together = [i for i, s in enumerate(drawn) if len(s.items) == 2]
  models = [text_model(captioner.tokenizer), unet_model().to(memory_format=torch.channels_last)]
  kept = copy.deepcopy(models)
  reading = Reading()
  weights = [w for model in models for w in model.parameters()]
  optimiser = torch.optim.AdamW(weights, lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
  reader = torch.optim.AdamW(reading.parameters(), lr=options.rate)
  step, path = 0, options.work / "unet.pt"
  if path.exists():
    state = torch.load(path, weights_only=True)
    for model, saved in zip(models + kept, state["models"] + state["kept"]):
      model.load_state_dict(saved)
    optimiser.load_state_dict(state["optimiser"])
    if "reading" in state:
      reading.load_state_dict(state["reading"])
      reader.load_state_dict(state["reader"])
    step = state["step"]
  print(f"{sum(w.numel() for w in weights):,} parameters, from step {step}", flush=True)

  kept_of_signal = DDPMScheduler(**SCHEDULE).alphas_cumprod
  signal_to_noise = kept_of_signal / (1 - kept_of_signal)
  # Nearly clean latents teach little about what is in the picture, and where the noise is strongest a small error
  # of the noise is a large one of the picture: there the arrangement is decided.
  importance = signal_to_noise.clamp(max=5) / signal_to_noise
  for_binding = importance * (1 + 1 / signal_to_noise).clamp(max=20)
  for_binding /= for_binding.mean()
  last_read = 0.0
  log, started = training.LossLog(options.work / "unet-loss.jsonl", step), time.time()
  while step < options.steps:
    rng, generator = training.generators(options.seed + 1, step)
    phase = [p for p in PHASES if p.start <= step][-1]
    chosen = [rng.choice(alone if rng.random() < phase.singles else together) for _ in range(options.batch)]
    z = torch.from_numpy(np.stack([latents[i] for i in chosen])).float()
    noise = torch.randn(z.shape, generator=generator)
    # One draw from each of `batch` equal parts of 0…1.
    u = (torch.arange(options.batch) + torch.rand(options.batch, generator=generator)) / options.batch
    t = (u.pow(phase.power)[torch.randperm(options.batch, generator=generator)] * 1000).long().clamp(max=999)
    a = kept_of_signal[t].view(-1, 1, 1, 1)
    noisy = (a.sqrt() * z + (1 - a).sqrt() * noise).to(memory_format=torch.channels_last)
    here = [drawn[i] for i in chosen]
    ids, captions = captioner.ids(here, rng)
    for group in optimiser.param_groups:
      group["lr"] = training.learning_rate(step, options.steps, options.rate, 200)
    end = captioner.tokenizer.eos_token_id
    with torch.autocast("cpu", torch.bfloat16):
      states = models[0](ids).last_hidden_state
      seen = visible(ids, end, rng) if phase.binding else None
      error = models[1](noisy, t, states, encoder_attention_mask=seen).sample.float() - noise
    squared = error.square().mean((1, 2, 3))
    loss = (squared * importance[t]).mean()
    if phase.binding:
      read = reading.loss(states, ids, end, here, captions)
      loss = (squared * for_binding[t]).mean() + READING_WEIGHT * read
      last_read = float(read.detach())
    optimiser.zero_grad(set_to_none=True)
    reader.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimiser.step()
    reader.step()
    step += 1
    average(kept, models, step)
    log.add(float(squared.detach().mean()))
    if step % 50 == 0 or step == options.steps:
      log.write(step, reading=round(last_read, 4), seconds=round(time.time() - started, 1))
    if step % 200 == 0 or step == options.steps:
      training.save(path, {
        "models": [m.state_dict() for m in models], "kept": [m.state_dict() for m in kept],
        "optimiser": optimiser.state_dict(), "reading": reading.state_dict(), "reader": reader.state_dict(),
        "step": step})
    if step % 200 == 0 and 0 <= step - options.steps * 0.75 < 200:
      shutil.copy(path, options.work / "plateau.pt")


if __name__ == "__main__":
  main()
