#!/usr/bin/env python3
"""Exports every kind of small model by both exporters at every opset, and compares dsd-run with ONNX Runtime.

    export_matrix.py --bin ../../.build/release OUT [--only unet] [--dtype fp16] [--exporter dynamo]

A row for each export says whether ONNX Runtime runs it, how far dsd-run is from it (largest difference of
any output over the output's peak, at two shapes), how many nodes dsd-run executes, and for UNets how far the
attention term of every cross-attention layer is from torch's. Exports stay in OUT and are used again.
What ONNX Runtime runs must come within 1e-4 in fp32 and 5e-3 in fp16.
"""

import argparse
import contextlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor
from safetensors.torch import load_file, save_file

import export_graphs
from make_references import RecordingProcessor, cross_attention_names

LEGACY, DYNAMO = range(9, 21), range(18, 26)
TOLERANCE = {"fp32": 1e-4, "fp16": 5e-3}
TERM_TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}


def case(name, exporter, opset, dtype, seed):
  module, inputs, *rest = export_graphs.ALL_CASES[name](seed)
  if exporter == "legacy" and opset < 14:  # The fused attention came with opset 14.
    for part in module.modules():
      if isinstance(part, Attention):
        part.set_processor(AttnProcessor())
    config = getattr(module.model, "config", None)
    if hasattr(config, "_attn_implementation"):
      module.model.set_attn_implementation("eager")
  if dtype == "fp32":
    return module, inputs, *rest

  def halved(shape, generator):
    return {k: v.half() if v.is_floating_point() else v for k, v in inputs(shape, generator).items()}

  return module.half(), halved, *rest


@torch.no_grad()
def references(case, path):
  """Inputs, ONNX Runtime's outputs and, of UNets, torch's log-sum-exp, for two shapes."""
  module, inputs, outputs, _, shapes = case
  options = onnxruntime.SessionOptions()
  options.log_severity_level, options.intra_op_num_threads = 4, 1
  session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
  tensors, layers = {}, []
  for tag, shape in zip("ab", shapes):
    values = inputs(shape, torch.Generator().manual_seed(ord(tag)))
    ran = session.run(None, {i.name: values[i.name].numpy() for i in session.get_inputs()})
    tensors |= {f"{tag}.in.{i.name}": values[i.name] for i in session.get_inputs()}
    tensors |= {f"{tag}.ort.{name}": torch.from_numpy(v) for name, v in zip(outputs, ran)}
    if isinstance(module, export_graphs.UNetForExport):
      layers, modules, log = cross_attention_names(module.model), dict(module.model.named_modules()), {}
      for name, part in modules.items():
        if isinstance(part, Attention):
          part.set_processor(RecordingProcessor(name, log))
      module(**values)
      tensors[f"{tag}.log_sum_exp"] = torch.stack([log[n] for n in layers])
  return {k: v.contiguous().clone() for k, v in tensors.items()}, layers


def run(command):
  done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300)
  if done.returncode:
    raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
  return done


def relative(actual, expected):
  if actual.shape != expected.shape:
    raise RuntimeError(f"shape {actual.shape}, not {expected.shape}")
  actual, expected = actual.astype(np.float64), expected.astype(np.float64)
  return float(np.abs(actual - expected).max() / np.abs(expected).max())


def feeds(tensors, shape, folder):
  result = []
  for key, value in tensors.items():
    if key.startswith(f"{shape}.in."):
      name = key.removeprefix(f"{shape}.in.")
      np.save(folder / f"in-{name}.npy", value.numpy())
      result += ["--input", f"{name}={folder}/in-{name}.npy"]
  return result


def check_outputs(program, path, tensors, shape):
  """The largest difference of any output, and the nodes executed by operator."""
  prefix = f"{shape}.ort."
  outputs = {key.removeprefix(prefix): t.numpy() for key, t in tensors.items() if key.startswith(prefix)}
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    wanted = [part for name in outputs for part in ("--output", f"{name}={folder}/out-{name}.npy")]
    told = run([program, path, *feeds(tensors, shape, folder), *wanted, "--profile", "--threads", "1"])
    rows = re.findall(r"^ ?([\w.]+) +(\d+) +\d", told.stderr, re.M)
    worst = max(relative(np.load(folder / f"out-{name}.npy"), value) for name, value in outputs.items())
  return worst, {name.removeprefix("dsd."): int(count) for name, count in rows if name != "all"}


def check_scores(program, path, tensors, shape, layers):
  """The largest difference of any cross-attention layer's term."""
  with tempfile.TemporaryDirectory() as folder:
    command = [program, path, *feeds(tensors, shape, pathlib.Path(folder))]
    found = json.loads(run([*command, "--hook", "attn-score", "--layers", "all", "--json"]).stdout)
  if set(found["layers"]) != set(layers):
    raise RuntimeError(f"cross-attention layers found: {found['layers']}")
  order = [found["layers"].index(layer) for layer in layers]
  return relative(np.array(found["per_layer"])[order], tensors[f"{shape}.log_sum_exp"].float().numpy())


def row(name, exporter, opset, dtype, args):
  """Facts about one export; `problem` says what went wrong, if anything did."""
  title = f"{name}-{exporter}-{opset}-{dtype}"
  path = args.out / f"{title}.onnx"
  facts = {"model": name, "exporter": exporter, "opset": opset, "dtype": dtype, "title": title}
  note, saved = path.with_suffix(".json"), path.with_suffix(".safetensors")
  if not note.exists():
    made = case(name, exporter, opset, dtype, args.seed)
    try:
      with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        export_graphs.export(made, exporter, opset, path)  # An exporter that fails prints its whole graph.
      facts["imports"] = max(o.version for o in onnx.load(path).opset_import if o.domain in ("", "ai.onnx"))
      try:
        tensors, facts["layers"] = references(made, path)
        save_file(tensors, saved)
        facts["runtime"] = "runs"
      except Exception as error:
        facts["runtime"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    except Exception as error:  # What an exporter cannot do is worth a line, not the end.
      facts["not_exported"] = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    note.write_text(json.dumps(facts))
  facts = json.loads(note.read_text())
  if facts.get("runtime") != "runs":
    return facts
  tensors, program = load_file(saved), args.bin / "dsd-run"
  facts |= {"difference": 0.0, "nodes": {}} | ({"term": 0.0} if facts["layers"] else {})
  try:
    for shape in "ab":
      difference, facts["nodes"] = check_outputs(program, path, tensors, shape)
      facts["difference"] = max(facts["difference"], difference)
    for shape in "ab" if facts["layers"] else "":
      facts["term"] = max(facts["term"], check_scores(program, path, tensors, shape, facts["layers"]))
  except (RuntimeError, subprocess.TimeoutExpired) as error:
    return facts | {"problem": str(error)}
  if not facts["difference"] <= TOLERANCE[dtype] or not facts.get("term", 0) <= TERM_TOLERANCE[dtype]:
    facts["problem"] = "too far"
  return facts


def show(facts):
  if "not_exported" in facts:
    return f"not exported: {facts['not_exported']}"[:110]
  if facts["runtime"] != "runs":
    return f"ONNX Runtime: {facts['runtime']}"[:110]
  term = f"   attention term {facts['term']:.1e}" if "term" in facts else ""
  bad = f"   PROBLEM: {facts['problem']}" if "problem" in facts else ""
  return f"{facts['difference']:.1e}   {sum(facts['nodes'].values()):4} nodes{term}{bad}"


def compare(rows):
  """A UNet by the oldest and the newest exporter that matter: the same operators after recognition?"""
  for name in sorted({r["model"] for r in rows if r.get("term") is not None}):
    pair = [next((r for r in rows if r["title"] == f"{name}-{e}-fp32" and r.get("nodes")), None)
      for e in ("legacy-14", "dynamo-23")]
    if None in pair:
      continue
    counts = [sum(r["nodes"].values()) for r in pair]
    apart = {op: (old, new) for op in sorted(pair[0]["nodes"] | pair[1]["nodes"])
      if (old := pair[0]["nodes"].get(op, 0)) != (new := pair[1]["nodes"].get(op, 0))}
    print(f"{name}: {counts[0]} nodes from legacy-14, {counts[1]} from dynamo-23 ({counts[0] / counts[1] - 1:+.1%}); "
      + ", ".join(f"{op} {old} and {new}" for op, (old, new) in apart.items()))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  parser.add_argument("--only", default="", help="part of a title, such as unet-sd15 or dynamo-23")
  parser.add_argument("--exporter", choices=["legacy", "dynamo"])
  parser.add_argument("--dtype", choices=list(TOLERANCE))
  parser.add_argument("--seed", type=int, default=0)
  args = parser.parse_args()
  torch.set_num_threads(1)
  warnings.filterwarnings("ignore")
  args.out.mkdir(parents=True, exist_ok=True)
  rows = []
  exporters = [(e, o) for e, opsets in (("legacy", LEGACY), ("dynamo", DYNAMO)) for o in opsets]
  for exporter, opset in exporters:
    for name in export_graphs.ALL_CASES:
      for dtype in TOLERANCE:
        title = f"{name}-{exporter}-{opset}-{dtype}"
        if args.only in title and args.exporter in (None, exporter) and args.dtype in (None, dtype):
          rows.append(row(name, exporter, opset, dtype, args))
          print(f"{title:34} {show(rows[-1])}", flush=True)
  print()
  for dtype in TOLERANCE:
    for exporter in ("legacy", "dynamo"):
      part = [r for r in rows if (r["dtype"], r["exporter"]) == (dtype, exporter)]
      ran = [r for r in part if r.get("runtime") == "runs"]
      good = [r for r in ran if "problem" not in r]
      worst = max((r["difference"] for r in good), default=0)
      exported = sum("not_exported" not in r for r in part)
      print(f"{dtype} {exporter}: {len(part)} tried, {exported} exported, ONNX Runtime runs {len(ran)}, "
        f"within {TOLERANCE[dtype]:.0e} {len(good)}, worst of those {worst:.1e}")
  compare(rows)
  sys.exit(1 if any("problem" in r for r in rows) else 0)


if __name__ == "__main__":
  main()
