"""The benchmark's terms and accuracies in PyTorch, apart from our programs; compared with what those wrote.

    dsd eval Graphs/sample/graph.pb --dataset pairs --items Graphs/sample/benchmark/items.jsonl \\
      --limit 100 --samples 8 --variants … --results results.jsonl --json table.json
    python Tools/sample/evaluate.py Graphs/sample/checkpoint Graphs/sample/benchmark/items.jsonl \\
      --limit 100 --results results.jsonl --table table.json

Each row of the table (term, pooling, layers) is computed anew from the checkpoint with diffusers and
transformers: the largest difference of a score, and both accuracies side by side. Exit code 1 when a score
differs by more than 1e-3 or an accuracy differs at all.
"""

import argparse
import json
import pathlib
import re
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

TOLERANCE = 1e-3


class Reader:
  """Attention that keeps statistics of its scores q·k/√d for every batch element."""

  def __init__(self, name, log):
    self.name, self.log = name, log

  def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
    context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
    split = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
    q, k, v = split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context))
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if encoder_hidden_states is not None:
      self.log[self.name] = (scores, torch.nn.functional.normalize(q, dim=-1) @ torch.nn.functional.normalize(k, dim=-1).mT)
    return attn.to_out[0]((scores.softmax(-1) @ v).transpose(1, 2).flatten(-2))


class Judge:
  def __init__(self, folder):
    part = lambda kind, name: kind.from_pretrained(folder / name).float().eval()
    self.unet, self.vae = part(UNet2DConditionModel, "unet"), part(AutoencoderKL, "vae")
    self.text = part(CLIPTextModel, "text_encoder")
    self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    config = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    self.schedule = DDPMScheduler.from_config(config)
    assert self.schedule.config.prediction_type == "epsilon"
    self.log = {}
    for name, module in self.unet.named_modules():
      if isinstance(module, Attention):
        module.set_processor(Reader(name, self.log))

  def ids(self, texts):
    return self.tokenizer(
      texts, padding="max_length", truncation=True, max_length=self.tokenizer.model_max_length,
      return_tensors="pt").input_ids

  def official(self):
    """Of each part's last block with cross-attention, the last transformer block of every attention module."""
    chosen, unet = [], self.unet
    for part, blocks in (("down_blocks", unet.down_blocks), ("mid_block", None), ("up_blocks", unet.up_blocks)):
      named = [(part, unet.mid_block)] if blocks is None else [(f"{part}.{i}", b) for i, b in enumerate(blocks)]
      name, block = [(n, b) for n, b in named if getattr(b, "has_cross_attention", False)][-1]
      chosen += [
        f"{name}.attentions.{i}.transformer_blocks.{len(m.transformer_blocks) - 1}.attn2"
        for i, m in enumerate(block.attentions)]
    return chosen

  @torch.inference_mode()
  def terms(self, pixels, texts, timesteps, noise, variants):
    """Errors [images, texts + 1, T]; attention by variant [images, texts, T, layers]; layer names."""
    ids = self.ids(texts + [""])
    states = self.text(ids).last_hidden_state
    z = self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor
    n = len(texts) + 1
    errors = torch.zeros(len(pixels), n, len(timesteps))
    attention = {}
    lengths = [int((row == self.tokenizer.eos_token_id).nonzero()[0]) for row in ids]
    for i in range(len(pixels)):
      for k, t in enumerate(timesteps):
        noisy = self.schedule.add_noise(z[i:i + 1], noise[k:k + 1], torch.tensor([t]))
        self.log.clear()
        estimate = self.unet(noisy.expand(n, -1, -1, -1), t, states).sample
        errors[i, :, k] = (estimate - noise[k]).flatten(1).norm(dim=1)
        for variant in variants:
          pooling, _, positions = variant.partition("@")
          values = torch.stack([
            torch.stack([
              self.pooled(scores[j], cosines[j], pooling, slice(1, lengths[j]) if positions == "content" else slice(None))
              for j in range(n - 1)])
            for scores, cosines in self.log.values()], -1)
          attention.setdefault(variant, torch.zeros(len(pixels), n - 1, len(timesteps), len(self.log)))[i, :, k] = values
    return errors, attention, list(self.log)

  @staticmethod
  def pooled(scores, cosines, pooling, where):
    part = scores[..., where]
    if pooling == "logsumexp":
      return part.logsumexp(-1).mean()
    if pooling == "max":
      return part.amax(-1).mean()
    if pooling == "mean":
      return part.mean()
    if pooling == "mass":
      return scores.softmax(-1)[..., where].sum(-1).mean()
    return cosines[..., where].mean()


def picture(folder, reference, size, opened={}):
  path, _, fragment = reference.partition("#xywh=")
  if path not in opened:
    opened[path] = Image.open(folder / path).convert("RGB")
  image = opened[path]
  if fragment:
    x, y, w, h = map(int, fragment.split(","))
    image = image.crop((x, y, x + w, y + h))
  image = image.resize((size, size), Image.BICUBIC)
  return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1


def questions(item, scores):
  """(direction, right?, tie?) for each question: the right one against every wrong one, strictly above."""
  right = {tuple(pair) for pair in item["right"]}
  images, texts = range(len(item["images"])), range(len(item["texts"]))
  for i, j in item["right"]:
    for direction, others in (
        ("captions", [scores[i][o] for o in texts if (i, o) not in right]),
        ("images", [scores[o][j] for o in images if (o, j) not in right])):
      if others:
        yield direction, scores[i][j] > max(others), scores[i][j] == max(others)


