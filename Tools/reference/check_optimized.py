#!/usr/bin/env python3
"""Lets ONNX Runtime's optimizers rewrite exported graphs and runs the results with dsd-run.

    check_optimized.py --bin ../../.build/release EXPORTS [--only dynamo-18]

EXPORTS is a folder that export_matrix.py has filled. Each graph is optimized twice: by a session for CPUs
(level "extended") and by `onnxruntime.transformers` for GPUs, whose nodes are of the domain `com.microsoft`. What
dsd-run makes of them is compared with ONNX Runtime's outputs on the graph as it was exported.
"""

import argparse
import collections
import contextlib
import io
import logging
import pathlib
import sys
import tempfile

import onnx
import onnxruntime
import torch
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from safetensors.torch import load_file

import export_graphs
from export_matrix import TOLERANCE, check_outputs

# The heads and widths that the optimizer for GPUs wants to be told.
KINDS = {"unet": "unet", "vae": "vae", "text-bert": "bert", "text-t5": "t5", "text": "clip"}


def by_session(path, out):
  options = onnxruntime.SessionOptions()
  options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
  options.optimized_model_filepath, options.log_severity_level = str(out), 4
  onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def by_transformers(path, out):
  kind = next(v for k, v in KINDS.items() if path.name.startswith(k))
  options = FusionOptions(kind)
  if kind in ("unet", "vae"):
    options.enable_packed_qkv = options.enable_packed_kv = "packed" in out.name
  with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    optimize_model(str(path), kind, num_heads=0, hidden_size=0, opt_level=0, optimization_options=options,
      use_gpu=True).save_model_to_file(str(out))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("exports", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  parser.add_argument("--only", default="", help="part of a title, such as legacy-14 or unet")
  args = parser.parse_args()
  logging.disable(logging.CRITICAL)
  torch.set_num_threads(1)
  failures, seen = 0, collections.Counter()
  for path in sorted(args.exports.glob("*.onnx")):
    saved, dtype = path.with_suffix(".safetensors"), path.stem[-4:]
    if args.only not in path.stem or not saved.exists():
      continue
    tensors = load_file(saved)
    for name, optimize in (("session", by_session), ("fused", by_transformers), ("packed", by_transformers)):
      if name == "packed" and not path.name.startswith("unet"):
        continue
      with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / f"{name}.onnx"
        try:
          optimize(path, out)
          nodes = collections.Counter(n.op_type for n in onnx.load(out).graph.node if n.domain == "com.microsoft")
        except Exception as error:  # The optimizer's own trouble is no failure of ours.
          print(f"{path.stem:32} {name:8} not optimized: {type(error).__name__}: {str(error)[:60]}", flush=True)
          continue
        seen += nodes
        told = " ".join(f"{op} {n}" for op, n in sorted(nodes.items()))
        try:
          worst = max(check_outputs(args.bin / "dsd-run", out, tensors, shape)[0] for shape in "ab")
        except RuntimeError as error:
          print(f"{path.stem:32} {name:8} FAILED {error}   {told}", flush=True)
          failures += 1
          continue
        failures += not worst <= TOLERANCE[dtype]
        print(f"{path.stem:32} {name:8} {worst:.1e}{'' if worst <= TOLERANCE[dtype] else '   TOO FAR'}   {told}",
          flush=True)
  print(f"{failures} failures; nodes of com.microsoft met:", ", ".join(f"{k} {v}" for k, v in sorted(seen.items())))
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
