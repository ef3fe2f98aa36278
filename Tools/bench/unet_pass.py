"""One UNet pass of a pipeline graph, by dsd-run and by ONNX Runtime on the same file, in turn: A B A B.

    python unet_pass.py --bin ../../.build/release GRAPH [--threads 2] [--rounds 3]

Prints the median of each side's passes and their ratio; loading is not counted. The two never run at the same
time. Versions, threads and the processor are printed with the numbers.
"""

import argparse
import pathlib
import platform
import re
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime


def inputs(graph, size):
  """Latents, a timestep and random text states for the graph's UNet."""
  model = onnx.load(graph, load_external_data=False)
  states = next(o for o in model.graph.output if o.name == "encoder_hidden_states").type.tensor_type.shape
  random = np.random.default_rng(0)
  return {
    "noisy_latent": random.standard_normal((1, 4, size, size), np.float32),
    "timestep": np.array([500]),
    "encoder_hidden_states": random.standard_normal((1, 77, states.dim[2].dim_value), np.float32),
  }


def unet_only(graph, folder):
  """The graph cut at the UNet's inputs, because ONNX Runtime feeds graph inputs alone. Weights stay in place."""
  model = onnx.load(graph, load_external_data=False)
  feeds = {"noisy_latent", "timestep", "encoder_hidden_states"}
  producer = {name: node for node in model.graph.node for name in node.output}
  kept, pending, seen = [], ["noise_pred"], set()
  while pending:
    name = pending.pop()
    if name in feeds or name in seen:
      continue
    seen.add(name)
    node = producer.get(name)
    if node is not None and id(node) not in {id(k) for k in kept}:
      kept.append(node)
      pending += [i for i in node.input if i]
  ids = {id(k) for k in kept}
  nodes = [n for n in model.graph.node if id(n) in ids]
  used = {i for n in nodes for i in n.input}
  cut = onnx.helper.make_graph(nodes, "unet",
    [v for v in list(model.graph.input) + list(model.graph.output) if v.name in feeds],
    [v for v in model.graph.output if v.name == "noise_pred"],
    [i for i in model.graph.initializer if i.name in used])
  result = onnx.helper.make_model(cut, opset_imports=model.opset_import, ir_version=model.ir_version)
  path = pathlib.Path(graph).parent / "unet-only.tmp-bench.onnx"
  onnx.save(result, path)
  return path


def ours(program, graph, feeds, threads, passes, folder):
  command = [str(program), str(graph), "--threads", str(threads), "--repeat", str(passes),
    "--output", f"noise_pred={folder / 'ours.npy'}"]
  for name, value in feeds.items():
    np.save(folder / f"{name}.npy", value)
    command += ["--input", f"{name}={folder / name}.npy"]
  done = subprocess.run(command, capture_output=True, text=True, check=True)
  return [float(s) for s in re.findall(r"run: ([\d.]+) s", done.stderr)][1:]


def theirs(session, feeds, passes):
  times = []
  for _ in range(passes):
    start = time.perf_counter()
    output = session.run(["noise_pred"], feeds)[0]
    times.append(time.perf_counter() - start)
  return times[1:], output


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("graph", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--rounds", type=int, default=2)
  parser.add_argument("--passes", type=int, default=4, help="a round; the first is not counted")
  parser.add_argument("--size", type=int, default=64, help="height and width of the latents")
  args = parser.parse_args()
  feeds = inputs(args.graph, args.size)
  a, b = [], []
  with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch)
    cut = unet_only(args.graph, folder)
    try:
      options = onnxruntime.SessionOptions()
      options.intra_op_num_threads = args.threads
      options.add_session_config_entry("session.intra_op.allow_spinning", "0")
      start = time.perf_counter()
      session = onnxruntime.InferenceSession(str(cut), options, providers=["CPUExecutionProvider"])
      load = time.perf_counter() - start
      for _ in range(args.rounds):
        a += ours(args.bin / "dsd-run", args.graph, feeds, args.threads, args.passes, folder)
        times, output = theirs(session, feeds, args.passes)
        b += times
      own = np.load(folder / "ours.npy")
    finally:
      cut.unlink()
  difference = np.abs(own - output).max() / np.abs(output).max()
  processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line),
    platform.processor())
  print(f"{processor}, {args.threads} threads, float32, ONNX Runtime {onnxruntime.__version__}")
  print(f"dsd-run       {np.median(a):8.4f} s a pass (of {len(a)})")
  print(f"ONNX Runtime  {np.median(b):8.4f} s a pass (of {len(b)}), loading {load:.1f} s")
  print(f"ratio         {np.median(a) / np.median(b):8.3f}")
  print(f"difference    {difference:8.1e} of the peak")


main()
