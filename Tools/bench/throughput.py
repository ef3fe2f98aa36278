#!/usr/bin/env python3
"""Many images against some captions with the sample model, by dsd-run and by ONNX Runtime, in turn: A B A B.

    throughput.py --bin .build/release [--images 1000] [--captions 10] [--timesteps 10] [--threads 2] [--rounds 1]
      [--batches 1,5,11,22,55,110] [--streams 1] [--terms bias] [--json FILE]

Both compute the noise term of every pair with everything shared that can be: an image is encoded once, a caption once,
and the empty caption's pass runs once for an image and timestep. dsd-run is timed from start to exit; of ONNX Runtime,
driven from here, loading is left out and the batch size is the best of those given. With `--streams 2`, two sessions of
one thread each go through the images beside each other. The scores are compared.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Graphs" / "sample"
KINDS = "boot bag coat dress shirt sandal sneaker pullover t-shirt scarf".split()
COLOURS = "red green blue yellow white purple".split()
peers.PARTS["text"] = (["input_ids"], "encoder_hidden_states")


def captions(count):
  return [f"a {COLOURS[n // len(KINDS) % len(COLOURS)]} {KINDS[n % len(KINDS)]}" for n in range(count)]


def write_images(folder, count):
  """Pictures of the benchmark's atlas, some of them mirrored."""
  from PIL import Image, ImageOps
  atlas = Image.open(SAMPLE / "benchmark" / "clothing.png").convert("RGB")
  across, down = atlas.width // 64, atlas.height // 64
  paths = []
  for n in range(count):
    place = n % (across * down)
    left, top = place % across * 64, place // across * 64
    picture = atlas.crop((left, top, left + 64, top + 64))
    paths.append(folder / f"{n}.png")
    (ImageOps.mirror(picture) if n // (across * down) % 2 else picture).save(paths[-1])
  return paths


def timesteps(count):
  return [int((n + 0.5) * 1000 / count) for n in range(count)]


def command(args, paths, texts, steps, *more):
  """dsd-run's command line for a job of the sample model."""
  line = [args.bin / "dsd-run", SAMPLE / "graph.pb", "--hook", "attn-score", "--timesteps", ",".join(map(str, steps)),
    "--threads", args.threads, "--json", *more]
  for path in paths:
    line += ["--image", path]
  for caption in captions(texts):
    line += ["--text", caption]
  return [str(part) for part in line]


def run_dsd(args, paths, noise, profile=False):
  more = ["--score", args.terms, "--noise", noise] + (["--profile"] if profile else [])
  start = time.perf_counter()
  done = subprocess.run(command(args, paths, args.captions, args.steps, *more), capture_output=True, text=True)
  if done.returncode:
    raise SystemExit(done.stderr)
  seconds = time.perf_counter() - start
  return seconds, np.array(json.loads(done.stdout)["scores"]), done.stderr


class ByHand:
  """What one writes with ONNX Runtime."""

  def __init__(self, args):
    import onnxruntime
    from transformers import CLIPTokenizer
    self.args = args
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads // args.streams
    self.sessions = {}
    for part in ("vae", "text", "unet"):
      path = peers.cut(SAMPLE / "graph.pb", part)
      self.sessions[part] = [onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(args.streams if part == "unet" else 1)]
      path.unlink()
    self.tokenizer = CLIPTokenizer.from_pretrained(SAMPLE / "checkpoint" / "tokenizer")
    config = json.loads((SAMPLE / "checkpoint" / "scheduler" / "scheduler_config.json").read_text())
    betas = np.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, config["num_train_timesteps"]) ** 2
    self.alphas = np.cumprod(1 - betas)

  def prepare(self, paths, noise):
    from PIL import Image
    self.noise = noise
    ids = self.tokenizer(captions(self.args.captions) + [""], padding="max_length", max_length=32, truncation=True,
      return_tensors="np").input_ids.astype(np.int64)
    self.states = self.sessions["text"][0].run(None, {"input_ids": ids})[0]
    self.latents = []
    for start in range(0, len(paths), 16):
      pictures = np.stack([np.asarray(Image.open(p), np.float32) for p in paths[start:start + 16]])
      pixels = (pictures / 127.5 - 1).transpose(0, 3, 1, 2)
      self.latents += list(self.sessions["vae"][0].run(None, {"pixel_values": np.ascontiguousarray(pixels)})[0])

  def image(self, session, latent, batch):
    """The noise term of all captions."""
    steps, texts = np.array(self.args.steps), len(self.states)
    scale = self.alphas[steps][:, None, None, None]
    noisy = (np.sqrt(scale) * latent + np.sqrt(1 - scale) * self.noise).astype(np.float32)
    errors = np.empty(len(steps) * texts)
    for start in range(0, len(errors), batch):
      pairs = np.arange(start, min(start + batch, len(errors)))
      step, text = pairs // texts, pairs % texts
      estimate = session.run(None, {"noisy_latent": noisy[step], "timestep": steps[step],
        "encoder_hidden_states": self.states[text]})[0]
      errors[pairs] = np.sqrt(((self.noise[step].astype(np.float64) - estimate) ** 2).sum((1, 2, 3)))
    errors = errors.reshape(len(steps), texts)
    return (errors[:, -1:] - errors[:, :-1]).mean(0)

  def run(self, paths, noise, batch):
    start = time.perf_counter()
    self.prepare(paths, noise)
    scores = [None] * len(paths)
    def work(stream):
      for n in range(stream, len(paths), self.args.streams):
        scores[n] = self.image(self.sessions["unet"][stream], self.latents[n], batch)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(self.args.streams)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    return time.perf_counter() - start, np.array(scores)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, default=ROOT / ".build" / "release")
  parser.add_argument("--images", type=int, default=1000)
  parser.add_argument("--captions", type=int, default=10)
  parser.add_argument("--timesteps", type=int, default=10)
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--streams", type=int, default=1)
  parser.add_argument("--rounds", type=int, default=1)
  parser.add_argument("--batches", default="1,5,11,22,55,110")
  parser.add_argument("--terms", default="bias")
  parser.add_argument("--json", type=pathlib.Path)
  args = parser.parse_args()
  args.steps = timesteps(args.timesteps)
  noise = np.random.default_rng(0).standard_normal((args.timesteps, 4, 16, 16)).astype(np.float32)
  by_hand = ByHand(args)
  with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch)
    np.save(scratch / "noise.npy", noise)
    paths = write_images(scratch, args.images)
    tuned = {}
    for batch in map(int, args.batches.split(",")):
      few = paths[:max(2, args.streams)]
      by_hand.run(few[:args.streams], noise, batch)
      tuned[batch] = by_hand.run(few, noise, batch)[0] / len(few)
      print(f"onnxruntime, batch {batch}: {tuned[batch]:.3f} s an image", flush=True)
    best = min(tuned, key=tuned.get)
    seconds = {"dsd": [], "onnxruntime": []}
    for _ in range(args.rounds):
      taken, ours, _ = run_dsd(args, paths, scratch / "noise.npy")
      seconds["dsd"].append(taken)
      taken, theirs = by_hand.run(paths, noise, best)
      seconds["onnxruntime"].append(taken)
    some = paths[:max(8, args.images // 20)]
    _, _, told = run_dsd(args, some, scratch / "noise.npy", profile=True)
    outside = re.search(r"outside operators: ([\d.]+) %", told)
  passes = args.images * (args.captions + 1) * args.timesteps
  print(f"\n{args.images} images x {args.captions} captions x {args.timesteps} timesteps, {args.threads} threads, "
    f"float32; {peers.processor()}, onnxruntime {peers.versions().get('onnxruntime')}")
  print(f"{'':14}{'seconds':>9}{'passes/s':>10}{'images/s':>10}")
  for name, taken in seconds.items():
    median = float(np.median(taken))
    print(f"{name:14}{median:9.1f}{passes / median:10.1f}{args.images / median:10.2f}"
      + (f"   batch {best}, {args.streams} stream(s)" if name != "dsd" else ""))
  ratio = np.median(seconds["onnxruntime"]) / np.median(seconds["dsd"])
  difference = abs(ours - theirs).max() / abs(theirs).max() if args.terms == "bias" else None
  print(f"throughput by onnxruntime's: {ratio:.2f}")
  if difference is not None:
    print(f"largest difference of a score, by the largest score: {difference:.1e}")
  if outside:
    print(f"dsd-run's time outside operators: {outside[1]} %")
  if args.json:
    args.json.write_text(json.dumps({"seconds": seconds, "batch": best, "tuned": tuned, "ratio": float(ratio),
      "passes": passes, "difference": difference, "outside_percent": float(outside[1]) if outside else None,
      "threads": args.threads, "streams": args.streams}, indent=1) + "\n")


if __name__ == "__main__":
  main()
