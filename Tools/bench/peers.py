#!/usr/bin/env python3
"""A pass of a checkpoint's UNet, or the encoding of an image, by dsd-run and by others, in turn: A B C A B C.

    peers.py --bin .build/release CHECKPOINT [--part unet|vae] [--engines dsd,onnxruntime,openvino,…] [--json FILE]
      [--chart FILE.png] [--threads 2] [--rounds 2] [--passes 4] [--size 512] [--batch 1]

CHECKPOINT is a diffusers folder with its graph.pb beside it, as `dsd import` writes it. ONNX Runtime and OpenVINO run
the same graph file, cut to the part; torch runs diffusers' model. Every run is a process of its own: the first pass
in it is not counted, loading is told apart, and so is its most memory. The table has the median of all passes, and
each engine's largest difference from the first one of float32 by the peak of the output.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ENGINES = ["dsd", "dsd-bf16", "onnxruntime", "openvino", "openvino-bf16", "torch"]
PARTS = {
  "unet": (["noisy_latent", "timestep", "encoder_hidden_states", "time_ids", "text_embeds"], "noise_pred"),
  "vae": (["pixel_values"], "latent"),
}


def cut(graph, part):
  """The graph's part as a model of its own, whose inputs are what is fed. Weights stay in their files."""
  import onnx
  model = onnx.load(graph, load_external_data=False)
  feeds, output = PARTS[part]
  producer = {name: node for node in model.graph.node for name in node.output if name}
  kept, pending, seen, fed = set(), [output], set(), set()
  while pending:
    name = pending.pop()
    if name in feeds:
      fed.add(name)
    elif name not in seen:
      seen.add(name)
      node = producer.get(name)
      if node is not None:
        kept.add(id(node))
        pending += [i for i in node.input if i]
  nodes = [n for n in model.graph.node if id(n) in kept]
  used = {i for n in nodes for i in n.input}
  values = [*model.graph.input, *model.graph.output, *model.graph.value_info]
  result = onnx.helper.make_model(
    onnx.helper.make_graph(nodes, part, [v for v in unique(values) if v.name in fed],
      [v for v in unique(values) if v.name == output], [i for i in model.graph.initializer if i.name in used]),
    opset_imports=model.opset_import, ir_version=model.ir_version)
  path = pathlib.Path(graph).with_name(f"{part}-only.tmp-bench.onnx")
  onnx.save(result, path)
  return path


def unique(values):
  return {v.name: v for v in values}.values()


def make_inputs(path, batch, size):
  """Random inputs of the cut model."""
  import onnx
  rng = np.random.default_rng(0)
  result = {}
  for info in onnx.load(path, load_external_data=False).graph.input:
    dims = [d.dim_value or {"batch": batch, "height": size, "width": size}.get(d.dim_param, size // 8)
      for d in info.type.tensor_type.shape.dim]
    if info.name == "timestep":
      result[info.name] = np.full(dims, 500, np.int64)
    elif info.name == "time_ids":
      result[info.name] = np.array([[size, size, 0, 0, size, size]] * batch, np.float32)
    else:
      result[info.name] = rng.standard_normal(dims).astype(np.float32)
  return result


def run_dsd(args, graph, inputs, output, work):
  precision = ["--precision", "bf16"] if args.worker.endswith("bf16") else []
  command = [args.bin / "dsd-run", graph, "--threads", args.threads, "--repeat", args.passes, *precision,
    "--output", f"{output}={work / 'output.npy'}"]
  for name in inputs:
    command += ["--input", f"{name}={work / name}.npy"]
  start = time.perf_counter()
  done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
  if done.returncode:
    raise SystemExit(done.stderr)
  wall = time.perf_counter() - start
  times = [float(s) for s in re.findall(r"run: ([\d.]+) s", done.stderr)]
  return times, wall - sum(times), np.load(work / "output.npy"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def timed(passes, body):
  times = []
  for _ in range(passes):
    start = time.perf_counter()
    result = body()
    times.append(time.perf_counter() - start)
  return times, result


def run_onnxruntime(args, path, inputs, output):
  import onnxruntime
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = args.threads
  start = time.perf_counter()
  session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
  load = time.perf_counter() - start
  times, result = timed(args.passes, lambda: session.run([output], inputs)[0])
  return times, load, result


def run_openvino(args, path, inputs, output):
  import openvino
  import openvino.properties.hint as hints
  start = time.perf_counter()
  core = openvino.Core()
  model = core.read_model(str(path))
  # Fixed shapes, and states as a tensor: the best that it can be given.
  model.reshape({name: value.shape for name, value in inputs.items()})
  compiled = core.compile_model(model, "CPU", {
    "INFERENCE_NUM_THREADS": args.threads, "NUM_STREAMS": 1, hints.performance_mode(): hints.PerformanceMode.LATENCY,
    hints.inference_precision(): openvino.Type.bf16 if args.worker.endswith("bf16") else openvino.Type.f32})
  request = compiled.create_infer_request()
  load = time.perf_counter() - start
  times, result = timed(args.passes, lambda: request.infer(inputs)[output].copy())
  return times, load, result


def run_torch(args, part, inputs):
  import diffusers
  import torch
  torch.set_num_threads(args.threads)
  start = time.perf_counter()
  values = {n: torch.from_numpy(v) for n, v in inputs.items()}
  if part == "unet":
    model = diffusers.UNet2DConditionModel.from_pretrained(args.checkpoint / "unet").eval()
    added = {n: values[n] for n in ("text_embeds", "time_ids") if n in values} or None
    body = lambda: model(values["noisy_latent"], values["timestep"], values["encoder_hidden_states"],
      added_cond_kwargs=added).sample.numpy()
  else:
    model = diffusers.AutoencoderKL.from_pretrained(args.checkpoint / "vae").eval()
    body = lambda: (model.encode(values["pixel_values"]).latent_dist.mean * model.config.scaling_factor).numpy()
  load = time.perf_counter() - start
  with torch.inference_mode():
    times, result = timed(args.passes, body)
  return times, load, result


def worker(args):
  work = args.work
  inputs = {f.stem: np.load(f) for f in work.glob("*.npy") if f.stem != "output"}
  _, output = PARTS[args.part]
  path = args.checkpoint / f"{args.part}-only.tmp-bench.onnx"
  if args.worker.startswith("dsd"):
    times, load, result, memory = run_dsd(args, args.checkpoint / "graph.pb", inputs, output, work)
  else:
    if args.worker == "onnxruntime":
      times, load, result = run_onnxruntime(args, path, inputs, output)
    elif args.worker.startswith("openvino"):
      times, load, result = run_openvino(args, path, inputs, output)
    else:
      times, load, result = run_torch(args, args.part, inputs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  np.save(work / "output.npy", result)
  print("RESULT " + json.dumps({"times": times, "load": load, "gigabytes": memory / 1e6}))


def versions():
  found = {}
  for name in ("onnxruntime", "openvino", "torch", "diffusers"):
    try:
      from importlib.metadata import version
      found[name] = version(name)
    except Exception:
      pass
  return found


def processor():
  for line in open("/proc/cpuinfo"):
    if "model name" in line:
      return line.split(":")[1].strip()
  return platform.processor()


def chart(report, path):
  import matplotlib
  matplotlib.use("Agg")
  import matplotlib.pyplot as plt
  rows = report["engines"]
  names, seconds = list(rows), [r["seconds"] for r in rows.values()]
  figure, axes = plt.subplots(figsize=(7, 0.5 + 0.42 * len(names)))
  bars = axes.barh(names, seconds, color=["#2a6fbb" if n.startswith("dsd") else "#9aa5b1" for n in names])
  axes.bar_label(bars, [f"{s:.2f} s" for s in seconds], padding=3)
  axes.invert_yaxis()
  axes.spines[["top", "right"]].set_visible(False)
  axes.set_xlim(0, max(seconds) * 1.15)
  axes.set_xlabel(f"seconds a pass ({report['part']}, {report['size']}×{report['size']}, {report['threads']} threads, {report['processor']})")
  figure.tight_layout()
  figure.savefig(path, dpi=150)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path)
  parser.add_argument("--part", choices=PARTS, default="unet")
  parser.add_argument("--engines", default="dsd,onnxruntime,openvino", help=f"of {', '.join(ENGINES)}, parted by commas")
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--rounds", type=int, default=2)
  parser.add_argument("--passes", type=int, default=4, help="a round; the first is not counted")
  parser.add_argument("--size", type=int, default=512, help="height and width of the image in pixels")
  parser.add_argument("--batch", type=int, default=1)
  parser.add_argument("--json", type=pathlib.Path)
  parser.add_argument("--chart", type=pathlib.Path)
  parser.add_argument("--worker", help=argparse.SUPPRESS)
  parser.add_argument("--work", type=pathlib.Path, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.worker:
    return worker(args)
  engines = args.engines.split(",")
  for name in engines:
    if name not in ENGINES:
      parser.error(f"--engines: '{name}' is not one of {', '.join(ENGINES)}")
  rows = {name: {"times": [], "loads": [], "gigabytes": 0.0} for name in engines}
  reference = None
  path = cut(args.checkpoint / "graph.pb", args.part)
  try:
    with tempfile.TemporaryDirectory() as scratch:
      work = pathlib.Path(scratch)
      for name, value in make_inputs(path, args.batch, args.size).items():
        np.save(work / f"{name}.npy", value)
      for _ in range(args.rounds):
        for name in engines:
          command = [sys.executable, __file__, args.checkpoint, "--worker", name, "--work", work, "--part", args.part,
            "--threads", args.threads, "--passes", args.passes]
          command += ["--bin", args.bin] if args.bin else []
          done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(args.threads)})
          line = next((l for l in done.stdout.splitlines() if l.startswith("RESULT ")), None)
          if line is None:
            raise SystemExit(f"{name}: {done.stderr.strip()[-800:]}")
          result = json.loads(line[7:])
          row = rows[name]
          row["times"] += result["times"][1:]
          row["loads"].append(result["load"])
          row["gigabytes"] = max(row["gigabytes"], result["gigabytes"])
          output = np.load(work / "output.npy")
          reference = output if reference is None else reference
          row["difference"] = float(abs(output - reference).max() / abs(reference).max())
  finally:
    path.unlink()
  for row in rows.values():
    row["seconds"] = float(np.median(row["times"]))
  report = {"part": args.part, "processor": processor(), "threads": args.threads, "size": args.size,
    "batch": args.batch, "versions": versions(), "engines": rows}
  print(f"{args.part}, {args.batch} × {args.size}×{args.size}; {report['processor']}, {args.threads} threads; "
    + ", ".join(f"{n} {v}" for n, v in report["versions"].items()))
  first = rows[engines[0]]["seconds"]
  print(f"{'':14} {'seconds':>8} {'least':>8} {engines[0] + ' by it':>12} {'load':>6} {'GB':>6} {'difference':>10}")
  for name, row in rows.items():
    print(f"{name:14} {row['seconds']:8.3f} {min(row['times']):8.3f} {first / row['seconds']:12.3f} "
      f"{min(row['loads']):6.2f} {row['gigabytes']:6.2f} {row['difference']:10.1e}")
  if args.json:
    args.json.write_text(json.dumps(report, indent=1) + "\n")
  if args.chart:
    chart(report, args.chart)


if __name__ == "__main__":
  main()
