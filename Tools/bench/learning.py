#!/usr/bin/env python3
"""One step of learning, forward and back, beside torch: seconds and peak resident memory.

    learning.py --bin .build/release CHECKPOINT [--tokens 8] [--threads 2] [--rounds 2]

The gradient of one caption's score (attention and bias) by prompt tokens, from a latent: text encoder and UNet, no
autoencoder. CHECKPOINT is a diffusers folder with its graph.pb beside it, such as `Tools/reference/fullsize.py` and
`dsd import` make. Rounds alternate: ours, ours with blocks computed again, torch. Each is a process of its own, whose
peak memory the system tells; the time is that of a second run in it, without loading.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import time

import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "reference"))


def torch_side(folder, work, threads):
  """Runs in a process of its own and prints seconds of two runs."""
  import torch
  import make_references
  torch.set_num_threads(threads)
  adapter = work / "adapter.safetensors"
  import check_adapters
  model = check_adapters.PromptModel(folder, adapter)
  del model.vae
  for part in (model.unet, *model.encoders):
    part.requires_grad_(False)
  # Self-attention as torch computes it by itself; cross-attention tells its log-sum-exp.
  from diffusers.models.attention_processor import Attention, AttnProcessor2_0
  for name, module in model.unet.named_modules():
    if isinstance(module, Attention) and name.endswith("attn1"):
      module.set_processor(AttnProcessor2_0())
  latent, noise = (torch.from_numpy(numpy.load(work / f"{n}.npy")) for n in ("latent", "noise"))
  seconds = []
  for _ in range(2):
    start = time.time()
    vectors = model.vectors[0].requires_grad_()
    states, pooled = model.embed("a red dog sitting next to a small green chair")
    z = model.noisy(latent, noise, 500)
    model.lse.clear()
    out = model.unet(z, torch.tensor([500]), states).sample
    attention = torch.stack([model.lse[n] for n in model.official]).mean()
    score = attention - (noise - model.noise_estimate(out, z, 500)).norm()
    (gradient,) = torch.autograd.grad(score, vectors)
    seconds.append(time.time() - start)
  numpy.save(work / "torch.npy", gradient.numpy())
  print(json.dumps({"seconds": seconds, "score": float(score)}))


def measured(command):
  """Runs a command; its output, and the most memory that it held, in GB."""
  done = subprocess.run(["/usr/bin/time", "-f", "%M", *map(str, command)], capture_output=True, text=True)
  if done.returncode:
    raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
  return done, int(done.stderr.strip().splitlines()[-1]) / 1e6


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path)
  parser.add_argument("--tokens", type=int, default=8)
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--rounds", type=int, default=2)
  parser.add_argument("--work", type=pathlib.Path, default=None, help="a folder for inputs and results")
  parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
  args = parser.parse_args()
  work = args.work or args.checkpoint.parent
  if args.torch:
    return torch_side(args.checkpoint, work, args.threads)

  graph = args.checkpoint / "graph.pb"
  adapter = work / "adapter.safetensors"
  run = lambda *c: subprocess.run([str(x) for x in c], check=True, capture_output=True, text=True).stdout
  run(args.bin / "dsd", "adapter", graph, f"prompt-tokens:{args.tokens}", "-o", adapter)
  rng = numpy.random.default_rng(0)
  for name in ("latent", "noise"):
    numpy.save(work / f"{name}.npy", rng.standard_normal((1, 4, 64, 64)).astype(numpy.float32))
  numpy.save(work / "timestep.npy", numpy.array([500]))
  caption = "a red dog sitting next to a small green chair"
  ids = json.loads(run(args.bin / "dsd", "tokenize", args.checkpoint / "tokenizer", "--text", caption, "--padded"))
  numpy.save(work / "ids.npy", numpy.array(ids, numpy.int64).reshape(1, -1))
  name = "adapter/text_encoder/prompt_tokens"
  base = [args.bin / "dsd", "rewrite", graph, "--adapter", adapter, "--dim", "batch=1", "--dim", "height=512", "--dim",
    "width=512", "--dim", "latent_height=64", "--dim", "latent_width=64", "--fuse", "--score", 1, "--gradient", "score/scores", "--wrt", name]
  variants = {"ours": [], "ours, recomputing": ["--checkpoint-blocks", "auto"]}
  for n, (title, more) in enumerate(variants.items()):
    run(*base, "-o", args.checkpoint / f"learn-{n}.pb", *more)
  inputs = []
  for value, file in (("latent", "latent"), ("noise", "noise"), ("timestep", "timestep"), ("input_ids", "ids")):
    inputs += ["--input", f"{value}={work / file}.npy"]
  print(f"{'':20} {'seconds':>8} {'GB':>6}   gradient against torch's, by the peak")
  rows = {}
  for _ in range(args.rounds):
    done, memory = measured([sys.executable, __file__, args.checkpoint, "--torch", "--work", work, "--threads", args.threads])
    seconds = json.loads(done.stdout.strip().splitlines()[-1])["seconds"][-1]
    reference = numpy.load(work / "torch.npy")
    print(f"{'torch':20} {seconds:8.2f} {memory:6.2f}", flush=True)
    for n, title in enumerate(variants):
      release = ["--memory", "low"] if n else []
      done, memory = measured([args.bin / "dsd-run", args.checkpoint / f"learn-{n}.pb", *inputs, "--threads", args.threads,
        "--repeat", 2, "--output", f"gradient/{name}={work / 'ours.npy'}", *release])
      seconds = [float(l.split()[1]) for l in done.stderr.splitlines() if l.startswith("run:")][-1]
      error = abs(numpy.load(work / "ours.npy") - reference).max() / abs(reference).max()
      print(f"{title:20} {seconds:8.2f} {memory:6.2f}   {error:.1e}", flush=True)


if __name__ == "__main__":
  main()
