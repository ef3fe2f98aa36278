#!/usr/bin/env python3
"""The whole job, one image against some captions at some timesteps, by dsd-run and by others, in turn.

    job.py --bin .build/release CHECKPOINT [--captions 10] [--timesteps 4] [--sides dsd,dsd-bf16,openvino,torch]
      [--units 1] [--rounds 1] [--threads 2] [--json FILE]

CHECKPOINT is a diffusers folder with its graph.pb beside it. The sides:

    dsd, dsd-bf16   dsd-run --hook attn-score, from start to exit: loading, image, captions, all passes
    torch           the official algorithm: for each caption and timestep the image is encoded, and the UNet runs with the
                    caption and with the empty one
    openvino        what one can do by hand (float32): image and captions encoded once, the empty caption's pass once a
                    timestep, then one pass for each caption

torch and openvino repeat the same work over and over, so `--units` of their pairs are timed and the rest is counted:
their seconds are those of the encodings and passes that the job has. Loading is left out for them.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

import peers

WORDS = "red blue small large wooden round dog cat chair table car tree sitting standing near behind".split()


def captions(count):
  rng = np.random.default_rng(1)
  return [f"a photo of a {' '.join(rng.choice(WORDS, 3))}, {n}" for n in range(count)]


def run_dsd(args, precision):
  from PIL import Image
  with tempfile.TemporaryDirectory() as scratch:
    image = pathlib.Path(scratch) / "image.png"
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).resize((args.size, args.size)).save(image)
    command = [args.bin / "dsd-run", args.checkpoint / "graph.pb", "--hook", "attn-score", "--image", image, "--samples",
      args.timesteps, "--threads", args.threads, "--precision", precision, "--json"]
    for caption in captions(args.captions):
      command += ["--text", caption]
    start = time.perf_counter()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
      raise SystemExit(done.stderr)
    return {"seconds": time.perf_counter() - start}


def run_torch(args):
  import diffusers
  import torch
  torch.set_num_threads(args.threads)
  unet = diffusers.UNet2DConditionModel.from_pretrained(args.checkpoint / "unet").eval()
  vae = diffusers.AutoencoderKL.from_pretrained(args.checkpoint / "vae").eval()
  states = torch.randn(2, 77, unet.config.cross_attention_dim)
  pixels = torch.randn(1, 3, args.size, args.size)
  def pair():
    latent = vae.encode(pixels).latent_dist.mean
    for row in range(2):
      unet(latent + torch.randn_like(latent), torch.tensor([500]), states[row:row + 1])
  with torch.inference_mode():
    pair()
    start = time.perf_counter()
    for _ in range(args.units):
      pair()
    each = (time.perf_counter() - start) / args.units
  return {"seconds": each * args.captions * args.timesteps, "timed": args.units, "of": args.captions * args.timesteps}


def run_openvino(args):
  import openvino
  import openvino.properties.hint as hints
  core = openvino.Core()
  requests = {}
  for part in ("vae", "unet"):
    path = peers.cut(args.checkpoint / "graph.pb", part)
    inputs = peers.make_inputs(path, 1, args.size)
    model = core.read_model(str(path))
    model.reshape({name: value.shape for name, value in inputs.items()})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": args.threads, "NUM_STREAMS": 1,
      hints.performance_mode(): hints.PerformanceMode.LATENCY, hints.inference_precision(): openvino.Type.f32})
    requests[part] = (compiled.create_infer_request(), inputs)
    path.unlink()
  def seconds(part, count):
    request, inputs = requests[part]
    request.infer(inputs)
    start = time.perf_counter()
    for _ in range(count):
      request.infer(inputs)
    return (time.perf_counter() - start) / count
  passes = (args.captions + 1) * args.timesteps
  each, once = seconds("unet", 2 * args.units), seconds("vae", 1)
  return {"seconds": once + each * passes, "timed": 2 * args.units, "of": passes}


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path)
  parser.add_argument("--captions", type=int, default=10)
  parser.add_argument("--timesteps", type=int, default=4)
  parser.add_argument("--sides", default="dsd,openvino,dsd-bf16,torch")
  parser.add_argument("--units", type=int, default=1, help="pairs that torch times; twice as many passes of OpenVINO")
  parser.add_argument("--rounds", type=int, default=1)
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--size", type=int, default=512)
  parser.add_argument("--json", type=pathlib.Path)
  parser.add_argument("--worker", help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.worker:
    result = run_torch(args) if args.worker == "torch" else run_openvino(args)
    return print("RESULT " + json.dumps(result))
  found = {side: [] for side in args.sides.split(",")}
  for _ in range(args.rounds):
    for side in found:
      if side.startswith("dsd"):
        result = run_dsd(args, "bf16" if side.endswith("bf16") else "fp32")
      else:
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--worker", side], capture_output=True, text=True)
        line = next((l for l in done.stdout.splitlines() if l.startswith("RESULT ")), None)
        if line is None:
          raise SystemExit(f"{side}: {done.stderr.strip()[-800:]}")
        result = json.loads(line[7:])
      found[side].append(result)
      print(f"{side:10} {result['seconds']:8.1f} s" + (f"  ({result['timed']} of {result['of']} timed)" if "of" in result else ""),
        flush=True)
  median = {side: float(np.median([r["seconds"] for r in results])) for side, results in found.items()}
  print(f"{args.captions} captions, {args.timesteps} timesteps; {peers.processor()}, {args.threads} threads; "
    + ", ".join(f"{n} {v}" for n, v in peers.versions().items()))
  others = [side for side in median if not side.startswith("dsd")]
  for side, seconds in median.items():
    ratios = "".join(f"  {seconds / median[other]:.3f} of {other}" for other in others if side.startswith("dsd"))
    print(f"{side:10} {seconds:8.1f} s{ratios}")
  if args.json:
    args.json.write_text(json.dumps({"seconds": median, "runs": found, "captions": args.captions,
      "timesteps": args.timesteps, "threads": args.threads, "processor": peers.processor(), "versions": peers.versions()}, indent=1))


if __name__ == "__main__":
  main()
