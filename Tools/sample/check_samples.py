"""Are generated pictures what their captions say? A classifier and the colour tell.

    python Tools/sample/check_samples.py Graphs/sample/checkpoint WORK [--dsd .build/release/dsd] [--sheet FILE]

draws single items for 500 captions ("a red boot"; kinds and colours in turn) with diffusers, or with
`dsd generate` when --dsd names the program, and prints how many have the kind and the colour asked for.
WORK/classifier.pt is trained first if it is missing. --sheet draws a contact sheet of further captions.
"""

import argparse
import pathlib
import random
import subprocess
import tempfile

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image, ImageDraw

import classifier
import scenes


def with_diffusers(checkpoint, captions, options):
  pipeline = StableDiffusionPipeline.from_pretrained(checkpoint, torch_dtype=torch.float32)
  pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
  pipeline.set_progress_bar_config(disable=True)
  pictures = []
  for first in range(0, len(captions), 50):
    part = captions[first:first + 50]
    seeds = [torch.Generator().manual_seed(options.seed + first + i) for i in range(len(part))]
    pictures += pipeline(
      part, num_inference_steps=options.steps, guidance_scale=options.guidance, generator=seeds,
      output_type="np").images.tolist()
  return (np.asarray(pictures) * 255).round().astype(np.uint8)


def with_dsd(checkpoint, captions, options):
  pictures = []
  with tempfile.TemporaryDirectory() as folder:
    for i, caption in enumerate(captions):
      path = pathlib.Path(folder) / f"{i}.png"
      subprocess.run(
        [options.dsd, "generate", checkpoint.parent / "graph.pb", "--text", caption, "--sampler", "ddim",
          "--steps", str(options.steps), "--guidance", str(options.guidance),
          "--seed", str(options.seed + i), "-o", path], check=True, stdout=subprocess.DEVNULL)
      pictures.append(np.asarray(Image.open(path).convert("RGB")))
  return np.stack(pictures)


def sheet_captions(rng):
  photographs = scenes.Photographs("train")
  singles = [scenes.noun(k, rng.choice(list(scenes.COLOURS))) for k in scenes.KINDS]
  pairs = [scenes.caption(scenes.pair(photographs, rng)) for _ in range(14)]
  return singles + pairs


def draw_sheet(path, pictures, captions, columns=6, scale=3):
  side = scenes.SIZE * scale
  rows = -(-len(pictures) // columns)
  sheet = Image.new("RGB", (columns * (side + 8), rows * (side + 36)), "white")
  draw = ImageDraw.Draw(sheet)
  for n, (picture, caption) in enumerate(zip(pictures, captions)):
    x, y = n % columns * (side + 8) + 4, n // columns * (side + 36) + 2
    sheet.paste(Image.fromarray(picture).resize((side, side), Image.BICUBIC), (x, y))
    words, line, lines = caption.split(), "", []
    for word in words:
      if draw.textlength(f"{line} {word}") > side:
        lines, line = lines + [line], word
      else:
        line = f"{line} {word}".strip()
    draw.text((x, y + side + 2), "\n".join(lines + [line]), fill="black")
  sheet.save(path, optimize=True)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("work", type=pathlib.Path)
  parser.add_argument("--captions", type=int, default=500)
  parser.add_argument("--steps", type=int, default=30)
  parser.add_argument("--guidance", type=float, default=3.0)
  parser.add_argument("--seed", type=int, default=1000)
  parser.add_argument("--dsd", help="the program to generate with, instead of diffusers")
  parser.add_argument("--sheet", type=pathlib.Path, help="PNG of pictures beside their captions")
  options = parser.parse_args()
  generate = with_dsd if options.dsd else with_diffusers

  if options.sheet:
    captions = sheet_captions(random.Random(options.seed))
    draw_sheet(options.sheet, generate(options.checkpoint, captions, options), captions)

  path = options.work / "classifier.pt"
  if not path.exists():
    classifier.train(path)
  wanted = [(k, c) for k in scenes.KINDS for c in scenes.COLOURS]
  wanted = (wanted * -(-options.captions // len(wanted)))[:options.captions]
  pictures = generate(options.checkpoint, [scenes.noun(k, c) for k, c in wanted], options)
  with torch.inference_mode():
    named = classifier.load(path)(classifier.brightness(pictures)).argmax(1).tolist()
  kinds = [scenes.KINDS[n] == kind for n, (kind, _) in zip(named, wanted)]
  colours = [classifier.colour_of(p) == colour for p, (_, colour) in zip(pictures, wanted)]
  print(f"{'dsd' if options.dsd else 'diffusers'}, DDIM {options.steps} steps, guidance {options.guidance}:")
  print(f"kind right:   {np.mean(kinds):.3f} of {len(kinds)}")
  print(f"colour right: {np.mean(colours):.3f}")
  for kind in scenes.KINDS:
    share = [k for k, (wanted_kind, _) in zip(kinds, wanted) if wanted_kind == kind]
    print(f"  {kind:10} {np.mean(share):.2f}")


if __name__ == "__main__":
  main()
