#!/usr/bin/env python3
"""Computes every stage of the matching score for one checkpoint with torch and diffusers.

    make_references.py CHECKPOINT OUT [--seed 0] [--timesteps 20,500,901]

OUT receives `reference.safetensors` (arrays), `reference.json` (settings, token ids, layer names and
the scores in the form of `dsd-run --json`), `noise.npy` and the two images. All arithmetic is in
float32. Nothing here comes from our own programs: this is the other side of the comparison.
"""

import argparse
import json
import math
import pathlib
import re

import numpy
import torch
from PIL import Image
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers import DDIMScheduler, EulerDiscreteScheduler, PNDMScheduler
from diffusers.models.attention_processor import Attention
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

SCHEDULERS = {c.__name__: c for c in (DDIMScheduler, EulerDiscreteScheduler, PNDMScheduler)}
CAPTIONS = [
  "a red dog sitting next to a small green chair",
  "Two fluffy cats sleeping on the table!",
  "an oil painting of a castle beside a lake, wide angle ...",
]
TIMESTEPS = [20, 500, 901]


def make_images(folder, seed=0):
  """Two pictures unlike in size, neither of the model's."""
  rng = numpy.random.default_rng(seed)
  paths = []
  for name, width, height in (("image-a.png", 90, 70), ("image-b.png", 48, 57)):
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.float64)
    planes = []
    for _ in range(3):
      fx, fy, phase, radius = rng.uniform(0.02, 0.25), rng.uniform(0.02, 0.25), rng.uniform(0, 6), rng.uniform(8, 25)
      cx, cy = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height
      plane = 110 + 60 * numpy.sin(fx * x + fy * y + phase)
      plane[(x - cx) ** 2 + (y - cy) ** 2 < radius ** 2] += 70
      planes.append(plane + 6 * rng.standard_normal((height, width)))
    pixels = numpy.clip(numpy.stack(planes, -1), 0, 255).astype(numpy.uint8)
    path = pathlib.Path(folder) / name
    Image.fromarray(pixels, "RGB").save(path)
    paths.append(path)
  return paths


def preprocess(path, size):
  """[1, 3, size, size] in -1…1, by Pillow's bicubic filter."""
  image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
  return torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)[None].float() * 2 / 255 - 1


class RecordingProcessor:
  """Plain attention that keeps the mean log-sum-exp of its scaled scores, per batch element."""

  def __init__(self, name, log):
    self.name, self.log = name, log

  def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
    assert attention_mask is None and attn.group_norm is None and attn.spatial_norm is None
    context = hidden_states if encoder_hidden_states is None else encoder_hidden_states

    def heads(x):
      return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

    q, k, v = heads(attn.to_q(hidden_states)), heads(attn.to_k(context)), heads(attn.to_v(context))
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if encoder_hidden_states is not None:
      self.log[self.name] = scores.logsumexp(-1).mean(dim=(1, 2))
    out = (scores.softmax(-1) @ v).transpose(1, 2).flatten(-2)
    return attn.to_out[0](out)


def cross_attention_names(unet):
  return [n for n, m in unet.named_modules() if isinstance(m, Attention) and n.endswith("attn2")]


def official_layers(unet):
  """In each part of the UNet, of the last block with cross-attention, the last layer of every module."""
  names = []
  for part in (unet.down_blocks, [unet.mid_block], unet.up_blocks):
    block = [b for b in part if getattr(b, "has_cross_attention", False)][-1]
    names += [module.transformer_blocks[-1].attn2 for module in block.attentions]
  by_module = {m: n for n, m in unet.named_modules()}
  return [by_module[m] for m in names]


class Model:
  """A checkpoint's parts and the stages between a caption or image and a score."""

  def __init__(self, folder):
    folder = pathlib.Path(folder)
    load = dict(torch_dtype=torch.float32)
    self.unet = UNet2DConditionModel.from_pretrained(folder / "unet", **load).eval()
    self.vae = AutoencoderKL.from_pretrained(folder / "vae", **load).eval()
    self.tokenizers = [CLIPTokenizer.from_pretrained(folder / "tokenizer")]
    self.encoders = [CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()]
    self.xl = (folder / "text_encoder_2").is_dir()
    if self.xl:
      self.tokenizers.append(CLIPTokenizer.from_pretrained(folder / "tokenizer_2"))
      self.encoders.append(CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", dtype=torch.float32).eval())
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    self.scheduler = SCHEDULERS[config["_class_name"]].from_config(config)
    self.v_prediction = config.get("prediction_type", "epsilon") == "v_prediction"
    self.size = self.unet.config.sample_size * 2 ** (len(self.vae.config.block_out_channels) - 1)
    self.lse = {}
    self.layers = cross_attention_names(self.unet)
    modules = dict(self.unet.named_modules())
    for name, module in modules.items():
      if isinstance(module, Attention):
        module.set_processor(RecordingProcessor(name, self.lse))
    self.official = official_layers(self.unet)

  def tokens(self, text):
    """One row of 77 ids per tokenizer."""
    return [t(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids for t in self.tokenizers]

  def embed(self, text):
    """The hidden states that the UNet attends to, and the pooled vector (SDXL only)."""
    tokens = self.tokens(text)
    if not self.xl:
      return self.encoders[0](tokens[0]).last_hidden_state, None
    outs = [e(t, output_hidden_states=True) for e, t in zip(self.encoders, tokens)]
    return torch.cat([o.hidden_states[-2] for o in outs], -1), outs[1].text_embeds

  def latent(self, pixels):
    return self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor

  def noisy(self, z0, noise, t):
    """Noise as the checkpoint's scheduler adds it, as the UNet wants to see it."""
    z = self.scheduler.add_noise(z0, noise, torch.tensor([t]))
    if isinstance(self.scheduler, EulerDiscreteScheduler):
      a = self.scheduler.alphas_cumprod[t]
      z = z / ((1 - a) / a + 1).sqrt()
    return z

  def predict(self, z, t, embedding, pooled):
    """The UNet's output and a copy of the per-layer log-sum-exps."""
    extra = None
    if self.xl:
      ids = torch.tensor([[self.size, self.size, 0, 0, self.size, self.size]], dtype=z.dtype)
      extra = {"text_embeds": pooled, "time_ids": ids}
    self.lse.clear()
    out = self.unet(z, torch.tensor([t]), embedding, added_cond_kwargs=extra).sample
    return out, torch.stack([self.lse[n][0] for n in self.layers])

  def noise_estimate(self, out, z, t):
    if not self.v_prediction:
      return out
    a = self.scheduler.alphas_cumprod[t]
    return a.sqrt() * out + (1 - a).sqrt() * z


@torch.no_grad()
def compute(folder, images, captions=CAPTIONS, timesteps=TIMESTEPS, seed=0, layers=None, model=None):
  """Returns (arrays, noise, report) for one checkpoint; index 0 of every text axis is the empty caption.

  Everything is computed in the element type of the model's UNet."""
  model = model or Model(folder)
  kind = model.unet.dtype
  texts = ["", *captions]
  edge = model.unet.config.sample_size
  torch.manual_seed(seed)
  noise = torch.randn(len(timesteps), model.unet.config.in_channels, edge, edge).to(kind)
  pixels = torch.cat([preprocess(p, model.size) for p in images]).to(kind)
  latents = torch.cat([model.latent(p[None]) for p in pixels])
  embedded = [model.embed(t) for t in texts]
  chosen = [model.layers.index(n) for n in layers or model.official]

  n, m, s = len(images), len(texts), len(timesteps)
  lse = torch.zeros(n, m, s, len(model.layers), dtype=kind)
  raw = torch.zeros(n, m, s, *noise.shape[1:], dtype=kind)
  estimate, noisy = raw.clone(), torch.zeros(n, s, *noise.shape[1:], dtype=kind)
  for i in range(n):
    for k, t in enumerate(timesteps):
      z = model.noisy(latents[i:i + 1], noise[k:k + 1], t)
      noisy[i, k] = z[0]
      for j in range(m):
        out, per_layer = model.predict(z, t, *embedded[j])
        lse[i, j, k], raw[i, j, k] = per_layer, out[0]
        estimate[i, j, k] = model.noise_estimate(out, z, t)[0]

  term = lse[..., chosen].mean(-1)  # [image, text, timestep]

  def bias_from(x):
    distance = (noise[None, None] - x).flatten(3).norm(dim=-1)
    return distance[:, :1] - distance[:, 1:]

  def as_report(attention, bias):
    per_step = attention + bias
    scores = per_step.mean(-1)
    return {
      "images": [pathlib.Path(p).name for p in images], "texts": list(captions), "timesteps": list(timesteps),
      "layers": [model.layers[c] for c in chosen], "scores": scores.tolist(),
      "attention": attention.mean(-1).tolist(), "bias": bias.mean(-1).tolist(),
      "per_timestep": {"attention": attention.tolist(), "bias": bias.tolist()},
      "best_text": scores.argmax(1).tolist(), "best_image": scores.argmax(0).tolist()}

  arrays = {
    "token_ids": torch.stack([model.tokens(t)[0][0] for t in texts]).int(),
    "pixels": pixels, "text_embeddings": torch.cat([e for e, _ in embedded]),
    "latents": latents, "noisy_latents": noisy, "log_sum_exp": lse, "unet_output": raw,
    "noise_estimate": estimate, "alphas_cumprod": model.scheduler.alphas_cumprod[timesteps]}
  if model.xl:
    arrays["token_ids_2"] = torch.stack([model.tokens(t)[1][0] for t in texts]).int()
    arrays["pooled_embeddings"] = torch.cat([p for _, p in embedded])
  report = {
    "seed": seed, "image_size": model.size, "texts": texts, "timesteps": list(timesteps),
    "cross_attention_layers": model.layers, "official_layers": model.official,
    "prediction_type": "v_prediction" if model.v_prediction else "epsilon",
    "scaling_factor": model.vae.config.scaling_factor, "token_ids": arrays["token_ids"].tolist(),
    "scores": as_report(term[:, 1:], bias_from(estimate)),
    "official_compat": as_report((term[:, 1:] + term[:, :1]) / 2, bias_from(raw))}
  if model.xl:
    report["token_ids_2"] = arrays["token_ids_2"].tolist()
  return arrays, noise, report


def tidy(value):
  """JSON with one line per innermost list."""
  text = json.dumps(value, indent=1, ensure_ascii=False)
  return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + " ".join(m[1].split()) + "]", text) + "\n"


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--seed", type=int, default=0, help="of the noise and the images")
  parser.add_argument("--timesteps", default=",".join(map(str, TIMESTEPS)))
  args = parser.parse_args()
  torch.set_num_threads(1)
  args.out.mkdir(parents=True, exist_ok=True)
  images = make_images(args.out, args.seed)
  arrays, noise, report = compute(args.checkpoint, images, timesteps=[int(t) for t in args.timesteps.split(",")], seed=args.seed)
  save_file({k: v.contiguous() for k, v in arrays.items()}, args.out / "reference.safetensors")
  numpy.save(args.out / "noise.npy", noise.numpy())
  (args.out / "reference.json").write_text(tidy(report), encoding="utf-8")
  for key in ("scores", "official_compat"):
    print(args.checkpoint.name, key, *(numpy.round(report[key][k], 3).tolist() for k in ("scores", "attention", "bias")))


if __name__ == "__main__":
  main()
