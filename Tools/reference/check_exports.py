"""Runs graphs that torch exported with dsd-run and compares them with ONNX Runtime and torch.

    python check_exports.py --bin ../../.build/release EXPORTS

EXPORTS is a folder written by export_graphs.py. For each graph and shape every output is compared with ONNX
Runtime's; for UNets the attention term of every cross-attention layer, found without tags, with torch's.
Differences are relative to the reference's peak.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file

TOLERANCE = 2e-5


def relative(actual, expected):
  return float(np.abs(actual - expected).max() / np.abs(expected).max())


def run(command):
  done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()}")
  return done.stdout


def check(program, model, tensors, shape, layers, folder):
  feeds, outputs = [], {}
  for key, value in tensors.items():
    if key.startswith(f"{shape}.in."):
      name = key.removeprefix(f"{shape}.in.")
      np.save(folder / f"{name}.npy", value)
      feeds += ["--input", f"{name}={folder / name}.npy"]
    if key.startswith(f"{shape}.ort."):
      outputs[key.removeprefix(f"{shape}.ort.")] = value
  wanted = [part for name in outputs for part in ("--output", f"{name}={folder / name}-out.npy")]
  run([program, model, *feeds, *wanted])
  worst = max(relative(np.load(folder / f"{n}-out.npy"), v) for n, v in outputs.items())
  term = None
  if layers:
    found = json.loads(run([program, model, *feeds, "--hook", "attn-score", "--layers", "all", "--json"]))
    if set(found["layers"]) != set(layers):
      raise RuntimeError(f"cross-attention layers found: {found['layers']}")
    order = [found["layers"].index(layer) for layer in layers]
    term = relative(np.array(found["per_layer"])[order], tensors[f"{shape}.log_sum_exp"])
  return worst, term


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("exports", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  args = parser.parse_args()
  failures = 0
  facts = {fact["file"]: fact for fact in json.loads((args.exports / "exports.json").read_text())}
  for name, fact in sorted(facts.items()):
    tensors = load_file(args.exports / name.replace(".onnx", ".safetensors"))
    for shape in ("a", "b"):
      with tempfile.TemporaryDirectory() as scratch:
        try:
          worst, term = check(args.bin / "dsd-run", args.exports / name, tensors, shape,
            fact["cross_attention_layers"], pathlib.Path(scratch))
        except RuntimeError as error:
          print(f"{name:34} {shape} FAILED {error}")
          failures += 1
          continue
      good = worst <= TOLERANCE and (term is None or term <= TOLERANCE)
      failures += not good
      shown = "" if term is None else f"   attention term {term:.1e}"
      print(f"{name:34} {shape} outputs {worst:.1e}{shown}{'' if good else '   TOO FAR'}")
  print(f"{failures} failures")
  sys.exit(1 if failures else 0)


main()
