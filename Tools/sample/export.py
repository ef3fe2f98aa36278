"""Assembles the trained parts into a checkpoint folder as Stable Diffusion's, weights in float16.

    python Tools/sample/export.py WORK Graphs/sample/checkpoint

The folder is what diffusers' StableDiffusionPipeline loads; `dsd import` then writes its graph.
"""

import argparse
import json
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from transformers import CLIPTokenizer

import train_unet


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("work", type=pathlib.Path)
  parser.add_argument("checkpoint", type=pathlib.Path)
  options = parser.parse_args()
  tokenizer = CLIPTokenizer.from_pretrained(options.work / "tokenizer")
  models = [train_unet.text_model(tokenizer), train_unet.unet_model()]
  state = torch.load(options.work / "unet.pt", weights_only=True, map_location="cpu")
  for model, kept in zip(models, state["kept"]):
    model.load_state_dict(kept)
  pipeline = StableDiffusionPipeline(
    vae=AutoencoderKL.from_pretrained(options.work / "vae"), text_encoder=models[0], tokenizer=tokenizer,
    unet=models[1], scheduler=DDIMScheduler(**train_unet.SCHEDULE, set_alpha_to_one=False),
    safety_checker=None, feature_extractor=None, requires_safety_checker=False)
  shutil.rmtree(options.checkpoint, ignore_errors=True)
  pipeline.to(torch.float16).save_pretrained(options.checkpoint, safe_serialization=True)
  # The tokenizer's own four files, as the vocabulary was written; newer transformers would keep other ones.
  shutil.rmtree(options.checkpoint / "tokenizer")
  shutil.copytree(options.work / "tokenizer", options.checkpoint / "tokenizer")
  for config in options.checkpoint.rglob("*.json"):
    values = json.loads(config.read_text())
    if values.pop("_name_or_path", None) is not None:  # names a folder of the machine that trained it
      config.write_text(json.dumps(values, indent=2) + "\n")
  size = sum(f.stat().st_size for f in options.checkpoint.rglob("*") if f.is_file())
  print(f"{options.checkpoint}: {size:,} bytes after {state['step']:,} steps")


if __name__ == "__main__":
  main()
