#!/usr/bin/env python3
"""Makes a random checkpoint with the configuration of Stable Diffusion 2.1-base, and one UNet pass.

    fullsize.py OUT [--tokenizer FOLDER]

OUT/checkpoint is a diffusers folder of float32 weights (5 GB). OUT/sample.npy, timestep.npy and
encoder_hidden_states.npy are the inputs of one pass, OUT/output.npy is what torch computes, and
OUT/reference.json has its peak, its time and the per-layer log-sum-exps. Memory must hold the UNet (3.5 GB) and more.
"""

import argparse
import copy
import gc
import json
import pathlib
import shutil
import time

import numpy
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from transformers import CLIPTextConfig, CLIPTextModel

import make_checkpoints
import small_tokenizer
from make_references import RecordingProcessor, cross_attention_names, tidy

KIND = "sd21base"
CONFIGS = {
  "unet": {"attention_head_dim": [5, 10, 20, 20], "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 1024, "layers_per_block": 2, "norm_num_groups": 32, "sample_size": 64},
  "text_encoder": {"hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
    "num_hidden_layers": 23, "projection_dim": 512, "vocab_size": 49408},
  "vae": {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32, "sample_size": 768},
}
BASES = {"unet": make_checkpoints.UNETS[KIND], "text_encoder": make_checkpoints.TEXTS[KIND]["text_encoder"],
  "vae": make_checkpoints.VAES[KIND]}


def build(part, seed):
  """The model with random weights; none of its own initialisation is run."""
  config = copy.deepcopy(BASES[part]) | CONFIGS[part]
  with torch.device("meta"):
    if part == "text_encoder":
      model = CLIPTextModel(CLIPTextConfig(**config))
    else:
      model = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}[part].from_config(config)
  return make_checkpoints.randomise(model.to_empty(device="cpu"), seed).eval(), config


@torch.no_grad()
def unet_reference(unet, out, seed):
  generator = torch.Generator().manual_seed(seed)
  sample = torch.randn(1, 4, 64, 64, generator=generator)
  context = torch.randn(1, 77, 1024, generator=generator)
  timestep = torch.tensor([501])
  began = time.time()
  result = unet(sample, timestep, context).sample
  seconds = time.time() - began
  for name, value in (("sample", sample), ("timestep", timestep), ("encoder_hidden_states", context), ("output", result)):
    numpy.save(out / f"{name}.npy", value.numpy())

  # A second pass with attention spelt out: slower, but it shows the scores.
  log = {}
  for name, module in unet.named_modules():
    if isinstance(module, Attention):
      module.set_processor(RecordingProcessor(name, log))
  plain = unet(sample, timestep, context).sample
  layers = cross_attention_names(unet)
  report = {"peak": float(result.abs().max()), "seconds": seconds, "threads": torch.get_num_threads(),
    "plain_attention_difference": float((plain - result).abs().max()),
    "cross_attention_layers": layers, "log_sum_exp": [float(log[n][0]) for n in layers]}
  (out / "reference.json").write_text(tidy(report))
  return report


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--tokenizer", type=pathlib.Path, help="a tokenizer folder to copy (default: the small one)")
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--threads", type=int, default=1)
  args = parser.parse_args()
  torch.set_num_threads(args.threads)
  folder = args.out / "checkpoint"
  shutil.rmtree(folder, ignore_errors=True)
  if args.tokenizer:
    shutil.copytree(args.tokenizer, folder / "tokenizer")
  else:
    small_tokenizer.write(folder / "tokenizer", small_tokenizer.train(), "!")
  make_checkpoints.write_json(folder / "scheduler" / "scheduler_config.json", make_checkpoints.SCHEDULERS[KIND])
  make_checkpoints.write_json(folder / "model_index.json", make_checkpoints.model_index(KIND))
  for i, part in enumerate(CONFIGS):
    model, config = build(part, args.seed + i)
    make_checkpoints.write_json(folder / part / "config.json", config)
    stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
    weights = make_checkpoints.text_weights(model, KIND) if part == "text_encoder" else model.state_dict()
    make_checkpoints.save(weights, folder / part, stem, None, torch.float32, 0)
    print(part, sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    if part == "unet":
      print(json.dumps(unet_reference(model, args.out, args.seed), indent=1), flush=True)
    del model, weights
    gc.collect()


if __name__ == "__main__":
  main()
