"""Checks pipeline graphs written by `dsd import` with onnx's checker and ONNX Runtime.

    python check_graph.py --bin ../../.build/release [--adapter lora:4] CHECKPOINT…

Each CHECKPOINT folder is imported; its graph must pass the checker's full check, load in ONNX Runtime with its
weights in the checkpoint's safetensors files, and give what dsd-run gives, at batch 1 and 2, within 2e-5 of
the peak of every output. With --adapter the same is done for the graph with such adapters of random values in it.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 2e-5


def feeds(model, batch, pipeline):
  """Random inputs of a pipeline graph for its own image size."""
  random = np.random.default_rng(batch)
  size = pipeline["image_size"]
  latent = size // pipeline["latent_downscale"]
  extents = {"batch": batch, "height": size, "width": size, "latent_height": latent, "latent_width": latent}
  result = {}
  for info in model.graph.input:
    shape = [d.dim_value or extents[d.dim_param] for d in info.type.tensor_type.shape.dim]
    if info.name == "timestep":
      result[info.name] = random.integers(0, 1000, shape)
    elif info.name.startswith("input_ids"):
      result[info.name] = random.integers(0, 1000, shape)
    elif info.name == "prompt_class":
      result[info.name] = random.integers(0, 2, shape)
    elif info.name == "time_ids":
      result[info.name] = np.tile(np.array([[size, size, 0, 0, size, size]], np.float32), (batch, 1))
    else:
      result[info.name] = random.standard_normal(shape, np.float32)
  return result


def ours(program, graph, inputs, names):
  with tempfile.TemporaryDirectory() as scratch:
    command = [program, graph]
    for name, value in inputs.items():
      np.save(f"{scratch}/{name}.npy", value)
      command += ["--input", f"{name}={scratch}/{name}.npy"]
    for name in names:
      command += ["--output", f"{name}={scratch}/out-{name}.npy"]
    subprocess.run([str(c) for c in command], check=True)
    return [np.load(f"{scratch}/out-{name}.npy") for name in names]


def adapted(program, checkpoint, specs):
  """The checkpoint's graph with adapters of random values, in a file of its own."""
  command = [program, "rewrite", checkpoint / "graph.pb", "-o", checkpoint / "adapted.pb"]
  for number, spec in enumerate(specs):
    file = checkpoint / f"adapter-{number}.safetensors"
    subprocess.run([program, "adapter", checkpoint / "graph.pb", spec, "-o", file, "--deviation", "0.2"], check=True, stdout=subprocess.DEVNULL)
    command += ["--adapter", file]
  subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
  return checkpoint / "adapted.pb"


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoints", nargs="+", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  parser.add_argument("--adapter", action="append", default=[], help="what dsd adapter calls it; may be repeated")
  args = parser.parse_args()
  failures = 0
  for checkpoint in args.checkpoints:
    subprocess.run([args.bin / "dsd", "import", checkpoint], check=True, stdout=subprocess.DEVNULL)
    graph = checkpoint / "graph.pb"
    if args.adapter:
      graph = adapted(args.bin / "dsd", checkpoint, args.adapter)
    onnx.checker.check_model(str(graph), full_check=True)
    model = onnx.load(graph, load_external_data=False)
    pipeline = json.loads(next(p.value for p in model.metadata_props if p.key == "dsd.pipeline"))
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    names = [o.name for o in model.graph.output]
    for batch in (1, 2):
      inputs = feeds(model, batch, pipeline)
      worst = 0.0
      for name, a, b in zip(names, ours(args.bin / "dsd-run", graph, inputs, names), session.run(names, inputs)):
        difference = np.abs(a - b).max() / np.abs(b).max()
        worst = max(worst, difference)
        if not difference <= TOLERANCE:
          failures += 1
          print(f"{checkpoint.name}: {name} is {difference:.1e} away")
      print(f"{checkpoint.name:16} batch {batch}: checker passed, {len(names)} outputs within {worst:.1e}")
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
