#!/usr/bin/env python3
"""Compares `dsd import` and `dsd-run` with torch on checkpoints made from many seeds.

    check_scores.py --bin .build/release --seeds 1..5 [--kind sdxl] [--plain]

Each seed also picks other settings: number format, shards, variants, attention names, timesteps,
block layouts. `--plain` leaves all of them as the fixtures have them. Exit code 1 when anything
differs by more than the tolerance.
"""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import numpy
import torch

import make_checkpoints
import make_references
import small_tokenizer

TOLERANCE = 2e-4


def settings(rng, kind):
  """Options of `make_checkpoints.make` and a line that describes them."""
  name = rng.choice(["float32", "float32", "float16", "bfloat16"])
  variant = "fp16" if name == "float16" and rng.random() < 0.7 else None
  # The UNet is sharded apart from its variant: that combination has had more than one file name.
  shard = rng.choice([0, 0, 300 * 1024]) if variant is None else 0
  # diffusers understands the old attention names in unsharded files only.
  old_names, new_eos, reshape = not shard and rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5
  layers = rng.choice([1, 2])
  schedule = rng.choice(["scaled_linear", "linear", "squaredcos_cap_v2"])

  def edit(part, config):
    if part == "unet" and reshape:
      config["layers_per_block"] = layers
      config["use_linear_projection"] = not config.get("use_linear_projection", False)
      if kind != "sdxl":
        config |= {"transformer_layers_per_block": 2, "down_block_types": config["down_block_types"][1:],
          "up_block_types": config["up_block_types"][:-1], "block_out_channels": config["block_out_channels"][1:]}
        if isinstance(config["attention_head_dim"], list):
          config["attention_head_dim"] = config["attention_head_dim"][1:]
    if part == "scheduler":
      config["beta_schedule"] = schedule
    return config

  described = f"{name} variant={variant} shard={shard} old_vae={old_names} new_eos={new_eos} reshaped={reshape} {schedule}"
  return dict(dtype=getattr(torch, name), variant=variant, shard=shard, old_vae_names=old_names,
    new_eos=new_eos, edit=edit), described


def run(command):
  done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f"{' '.join(map(str, command))}\nexit code {done.returncode}: {done.stderr.strip()}")
  return done.stdout


def worst(ours, theirs):
  a, b = numpy.asarray(ours, numpy.float64), numpy.asarray(theirs, numpy.float64)
  return float(abs(a - b).max()) if a.shape == b.shape else float("inf")


def compare(ours, theirs):
  """Worst absolute difference per key; infinite when a list of names differs."""
  rows = {k: worst(ours[k], theirs[k]) for k in ("scores", "attention", "bias")}
  rows |= {f"per_timestep.{k}": worst(ours["per_timestep"][k], theirs["per_timestep"][k]) for k in ("attention", "bias")}
  for key in ("texts", "timesteps"):
    rows[key] = 0.0 if ours[key] == theirs[key] else float("inf")
  rows["layers"] = 0.0 if sorted(ours["layers"]) == sorted(theirs["layers"]) else float("inf")
  return rows


def check(kind, seed, bin, work, plain):
  rng = random.Random(f"{kind}-{seed}")
  options, described = ({}, "plain") if plain else settings(rng, kind)
  folder = make_checkpoints.make(kind, work / "checkpoint", seed, **options)
  source = folder
  if options.get("variant") and not plain:
    source = reference_copy(folder, work / "unnamed", options["variant"])
  captions = [small_tokenizer.caption(rng) for _ in range(3)]
  timesteps = sorted(rng.sample(range(1000), rng.choice([1, 2, 3])))
  images = make_references.make_images(work, seed)
  _, noise, expected = make_references.compute(source, images, captions, timesteps, seed)
  numpy.save(work / "noise.npy", noise.numpy())

  graph = work / "graph.pb"
  run([bin / "dsd", "import", folder, "-o", graph])
  command = [bin / "dsd-run", graph, "--hook", "attn-score", "--timesteps", ",".join(map(str, timesteps)), "--json"]
  for image in images:
    command += ["--image", image]
  for caption in captions:
    command += ["--text", caption]
  results = {}
  for title, more in (
      ("score", ["--noise", work / "noise.npy"]), ("seeded", ["--seed", seed]),
      ("official", ["--noise", work / "noise.npy", "--official-compat"])):
    results[title] = compare(json.loads(run(command + more)), expected["official_compat" if title == "official" else "scores"])
  return described, results


def reference_copy(folder, copy, variant):
  """The same checkpoint without the variant in its file names, for the loaders on torch's side."""
  shutil.copytree(folder, copy, dirs_exist_ok=True)
  for file in list(copy.rglob(f"*.{variant}.safetensors")):
    file.rename(file.with_name(file.name.replace(f".{variant}.", ".")))
  return copy


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd and dsd-run")
  parser.add_argument("--seeds", default="1..3", metavar="N..M")
  parser.add_argument("--kind", choices=make_checkpoints.KINDS, action="append")
  parser.add_argument("--plain", action="store_true")
  parser.add_argument("--keep", type=pathlib.Path, help="work in this folder and leave it")
  args = parser.parse_args()
  torch.set_num_threads(1)
  first, _, last = args.seeds.partition("..")
  failures = 0
  print(f"{'kind':9} {'seed':>4} {'run':9} {'scores':>9} {'attention':>9} {'bias':>9}  settings")
  for seed in range(int(first), int(last or first) + 1):
    for kind in args.kind or make_checkpoints.KINDS:
      with tempfile.TemporaryDirectory() as temporary:
        work = args.keep / f"{kind}-{seed}" if args.keep else pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        try:
          described, results = check(kind, seed, args.bin, work, args.plain)
        except RuntimeError as error:
          failures += 1
          print(f"{kind:9} {seed:4} FAILED\n{error}")
          continue
      for title, rows in results.items():
        good = all(v <= TOLERANCE for v in rows.values())
        failures += not good
        print(f"{kind:9} {seed:4} {title:9} {rows['scores']:9.1e} {rows['attention']:9.1e} {rows['bias']:9.1e}  {described}"
          + ("" if good else "  DIFFERS: " + ", ".join(f"{k} {v:.1e}" for k, v in rows.items() if v > TOLERANCE)))
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
