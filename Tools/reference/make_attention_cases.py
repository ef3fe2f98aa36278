#!/usr/bin/env python3
"""Reads cross-attention of one checkpoint with torch in every way that `attn-score` and `attn-map` can.

    make_attention_cases.py CHECKPOINT REFERENCE

REFERENCE is the folder that `make_references.py` wrote for the checkpoint: its images, noise, captions and
timesteps are used. `attention.safetensors` and `attention.json` are written into it:

    own           [variant, image, caption, timestep, layer]: the pooled scores; the last image is no image, a
                  latent of zeros
    empty         likewise for the empty caption, read at the positions of the caption
    normalized    [variant, normalization, image, caption, timestep]: the attention term of the official layers
    map.I.J       [words, height, width]: the words' maps of image I and caption J
    relative.I.J  the same less the empty caption's maps at the same positions
    map.wide      likewise for a latent of noise that is wider than high, the first caption and timestep

Nothing here comes from our own programs.
"""

import argparse
import json
import math
import pathlib

import numpy
import torch
from diffusers.models.attention_processor import Attention
from safetensors.torch import save_file

import make_references

VARIANTS = [(p, "all") for p in ("logsumexp", "max", "mean", "cosine")]
VARIANTS += [(p, "content") for p in ("logsumexp", "max", "mean", "cosine", "mass")]
NORMALIZATIONS = ["none", "empty-caption", "noise", "images"]


class ScoreProcessor:
  """Plain attention that keeps queries, keys and scaled scores of one cross-attention layer."""

  def __init__(self, name, log):
    self.name, self.log = name, log

  def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
    context = hidden_states if encoder_hidden_states is None else encoder_hidden_states

    def heads(x):
      return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    q, k, v = heads(attn.to_q(hidden_states)), heads(attn.to_k(context)), heads(attn.to_v(context))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if encoder_hidden_states is not None:
      self.log[self.name] = (q[0], k[0], scores[0])
    return attn.to_out[0]((scores.softmax(-1) @ v).transpose(1, 2).flatten(-2))


def content(model, caption):
  """The positions of a caption's own tokens."""
  longest = max(len(t(caption, add_special_tokens=False).input_ids) for t in model.tokenizers)
  return slice(1, 1 + min(longest, 75))


def words(model, caption):
  """Each word's letters and positions, by the first tokenizer's marks of word ends; a special token is a word."""
  tokenizer = model.tokenizers[0]
  result, letters, first = [], "", 1
  pieces = tokenizer.convert_ids_to_tokens(tokenizer(caption, add_special_tokens=False).input_ids)
  for position, piece in enumerate(pieces[:75], 1):
    letters += piece.removesuffix("</w>")
    if piece.endswith("</w>") or piece in tokenizer.all_special_tokens:
      result.append((letters, first, position + 1))
      letters, first = "", position + 1
  return result


def pooled(entry, pooling, where):
  q, k, scores = entry
  part = scores[..., where].double()
  if pooling == "logsumexp":
    return part.logsumexp(-1).mean()
  if pooling == "max":
    return part.amax(-1).mean()
  if pooling == "mean":
    return part.mean()
  if pooling == "cosine":
    return torch.cosine_similarity(q[:, :, None].double(), k[:, None, where].double(), dim=-1).mean()
  return scores.double().softmax(-1)[..., where].sum(-1).mean()


def word_maps(entries, spans, height, width):
  """The mean over layers of each word's probability, [words, height, width]."""
  total = 0
  for _, _, scores in entries:
    probabilities = scores.double().softmax(-1).mean(0)  # [queries, positions]
    queries = len(probabilities)
    factor = next(f for f in range(1, 65) if -(-height // f) * -(-width // f) == queries)
    grid = probabilities.T.unflatten(-1, (-(-height // factor), -(-width // factor)))
    maps = torch.stack([grid[first:end].sum(0) for _, first, end in spans])
    total = total + torch.nn.functional.interpolate(maps[None], (height, width), mode="bilinear", align_corners=False)[0]
  return total / len(entries)


@torch.no_grad()
def compute(folder, reference):
  facts = json.loads((reference / "reference.json").read_text())
  noise = torch.from_numpy(numpy.load(reference / "noise.npy"))
  model = make_references.Model(folder)
  log = {}
  for name, module in model.unet.named_modules():
    if isinstance(module, Attention):
      module.set_processor(ScoreProcessor(name, log))
  captions, steps = facts["texts"][1:], facts["timesteps"]
  latents = [model.latent(make_references.preprocess(reference / f"image-{i}.png", model.size)) for i in "ab"]
  latents.append(torch.zeros_like(latents[0]))
  embedded = {text: model.embed(text) for text in facts["texts"]}

  def run(z, t, text):
    embedding, vector = embedded[text]
    extra = None
    if model.xl:
      ids = torch.tensor([[model.size, model.size, 0, 0, model.size, model.size]], dtype=torch.float32)
      extra = {"text_embeds": vector, "time_ids": ids}
    log.clear()
    model.unet(z, torch.tensor([t]), embedding, added_cond_kwargs=extra)
    return [log[name] for name in model.layers]

  shape = (len(VARIANTS), len(latents), len(captions), len(steps), len(model.layers))
  own, empty = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
  maps = {}
  height, width = latents[0].shape[-2:]
  for i, latent in enumerate(latents):
    for s, t in enumerate(steps):
      z = model.noisy(latent, noise[s:s + 1], t)
      without = run(z, t, "")
      for c, caption in enumerate(captions):
        entries = run(z, t, caption)
        for v, (pooling, positions) in enumerate(VARIANTS):
          where = slice(None) if positions == "all" else content(model, caption)
          own[v, i, c, s] = torch.stack([pooled(e, pooling, where) for e in entries])
          empty[v, i, c, s] = torch.stack([pooled(e, pooling, where) for e in without])
        if i < 2:
          part, base = (word_maps(e, words(model, caption), height, width) / len(steps) for e in (entries, without))
          maps[f"map.{i}.{c}"] = maps.get(f"map.{i}.{c}", 0) + part
          maps[f"relative.{i}.{c}"] = maps.get(f"relative.{i}.{c}", 0) + part - base

  chosen = [model.layers.index(n) for n in model.official]
  term, base = own[..., chosen].mean(-1), empty[..., chosen].mean(-1)
  images = term[:, :2]
  normalized = torch.stack(
    [images, images - base[:, :2], images - term[:, 2:], images - images.mean(1, keepdim=True)], 1)
  torch.manual_seed(5)
  wide = torch.randn(1, noise.shape[1], height, 2 * width)
  maps["map.wide"] = word_maps(run(wide, steps[0], captions[0]), words(model, captions[0]), *wide.shape[-2:])
  arrays = {"own": own, "empty": empty, "normalized": normalized, **maps, "wide": wide}
  report = {
    "variants": [list(v) for v in VARIANTS], "normalizations": NORMALIZATIONS,
    "layers": model.layers,
    "words": [[w for w, _, _ in words(model, c)] for c in captions],
    "positions": [[[a, b] for _, a, b in words(model, c)] for c in captions]}
  return arrays, report


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("reference", type=pathlib.Path)
  args = parser.parse_args()
  torch.set_num_threads(1)
  arrays, report = compute(args.checkpoint, args.reference)
  save_file({k: v.float().contiguous() for k, v in arrays.items()}, args.reference / "attention.safetensors")
  (args.reference / "attention.json").write_text(make_references.tidy(report), encoding="utf-8")
  print(args.checkpoint.name, {k: tuple(v.shape) for k, v in arrays.items()})


if __name__ == "__main__":
  main()
