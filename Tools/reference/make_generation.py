#!/usr/bin/env python3
"""Makes images with diffusers' pipelines on the small checkpoints, in float32.

    make_generation.py CHECKPOINTS OUT

OUT/generation/cases.json          the settings of each case
OUT/generation/images.safetensors  `CASE.image` uint8 [height, width, 3]; `CASE.latents` [4, height/8, width/8]
"""

import argparse
import json
import logging
import pathlib
import warnings

import numpy
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file

import make_references

SAMPLERS = {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler}
CAPTION = "a red dog sitting next to a small green chair"
BASE = {"text": CAPTION, "negative": None, "steps": 6, "guidance": 7.5, "seed": 3, "width": 64, "height": 64}
CASES = {
  "sd21base-euler": {"kind": "sd21base", "sampler": "euler"},
  "sd21base-ddim": {"kind": "sd21base", "sampler": "ddim"},
  "sd21base-negative": {"kind": "sd21base", "sampler": "euler", "negative": "a dark oil painting", "steps": 4},
  "sd21base-unguided": {"kind": "sd21base", "sampler": "ddim", "guidance": 1.0, "steps": 4},
  "sd21base-wide": {"kind": "sd21base", "sampler": "ddim", "steps": 3, "width": 128, "height": 64},
  "sd15-euler": {"kind": "sd15", "sampler": "euler"},
  "sd15-ddim": {"kind": "sd15", "sampler": "ddim"},
  "sd21v-euler": {"kind": "sd21v", "sampler": "euler"},
  "sd21v-ddim": {"kind": "sd21v", "sampler": "ddim"},
  "sdxl-euler": {"kind": "sdxl", "sampler": "euler"},
  "sdxl-ddim": {"kind": "sdxl", "sampler": "ddim"},
  "sdxl-negative": {"kind": "sdxl", "sampler": "euler", "negative": "", "steps": 3, "width": 128},
}


def pipeline(folder, sampler):
  """diffusers' pipeline of a checkpoint, built with a scheduler of the sampler's class.

  The parts are loaded one by one: files as old as some of the checkpoints' lack what a whole pipeline asks for.
  """
  folder = pathlib.Path(folder)
  model = make_references.Model(folder)
  config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
  parts = dict(vae=model.vae, unet=make_references.UNet2DConditionModel.from_pretrained(folder / "unet").eval(),
    text_encoder=model.encoders[0], tokenizer=model.tokenizers[0],
    scheduler=SAMPLERS[sampler].from_config(config))
  index = json.loads((folder / "model_index.json").read_text())
  if model.xl:
    zeros = index.get("force_zeros_for_empty_prompt", True)
    made = StableDiffusionXLPipeline(**parts, text_encoder_2=model.encoders[1], tokenizer_2=model.tokenizers[1],
      force_zeros_for_empty_prompt=zeros, add_watermarker=False)
  else:
    made = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
  made.set_progress_bar_config(disable=True)
  return made


def generate(pipe, text, negative, steps, guidance, seed, width, height, **_):
  """The image, uint8 [height, width, 3], and the latents before decoding."""
  kept = []

  def keep(_pipe, _step, _timestep, values):
    kept.append(values["latents"].clone())
    return {}

  image = pipe(prompt=text, negative_prompt=negative, num_inference_steps=steps, guidance_scale=guidance,
    generator=torch.Generator().manual_seed(seed), width=width, height=height, output_type="pil",
    callback_on_step_end=keep).images[0]
  return numpy.asarray(image), kept[-1][0]


def quiet():
  """The old settings of the checkpoints are meant."""
  warnings.filterwarnings("ignore")
  logging.disable(logging.WARNING)
  torch.set_num_threads(1)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoints", type=pathlib.Path)
  parser.add_argument("out", type=pathlib.Path)
  args = parser.parse_args()
  quiet()
  out = args.out / "generation"
  out.mkdir(parents=True, exist_ok=True)
  tensors, settings = {}, {}
  for name, case in CASES.items():
    case = settings[name] = BASE | case
    image, latents = generate(pipeline(args.checkpoints / case["kind"], case["sampler"]), **case)
    tensors[f"{name}.image"] = torch.from_numpy(image.copy())
    tensors[f"{name}.latents"] = latents.contiguous()
    print(f"{name:18} pixels {image.min()}…{image.max()}, deviation {image.std():.1f}; latents up to {latents.abs().max():.2f}")
  save_file(tensors, out / "images.safetensors")
  (out / "cases.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
  main()
