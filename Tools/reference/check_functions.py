"""Checks graph files that hold operators of this project's own domain: ONNX's checker and ONNX Runtime.

    python check_functions.py --bin ../../.build/release [CHECKPOINT…]

Small graphs of nodes of domain dsd are made, without functions. `dsd rewrite` writes them again: what it writes must
pass the checker's full check, run in ONNX Runtime by its functions, and give what dsd-run gives from its own kernels.
Written once more, from the file with functions, it must be the same file. Each CHECKPOINT folder with a graph.pb is
written with --recognize --fuse and its attention nodes' log-sum-exp as further outputs, and compared in the same way.
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
from onnx import TensorProto, helper

from check_graph import feeds, ours

TOLERANCE = 2e-5
KIND = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16,
        np.dtype(np.bool_): TensorProto.BOOL, np.dtype(np.int64): TensorProto.INT64}


def random(*shape):
  return np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape, np.float32)


def attention_cases():
  """Packed and split heads, masks, positions: (inputs, attributes) of attention without its outputs."""
  packed = {"q_num_heads": 4, "kv_num_heads": 2}
  q, k, v = random(2, 5, 16), random(2, 7, 8), random(2, 7, 6)
  yield [q, k, v], packed
  yield [q, k, v, random(5, 7)], dict(packed, softcap=1.5)
  yield [q, k, v, random(4, 5, 7) > 0], packed
  yield [q, k, v], dict(packed, is_causal=1, scale=0.4)
  q, k, v = random(2, 3, 5, 8), random(2, 3, 7, 8), random(2, 3, 7, 4)
  yield [q, k, v, random(2, 1, 5, 7)], {}
  yield [q, k, v], dict(left_window_size=2, right_window_size=1)


def cases():
  """(operator, inputs, attributes, names of outputs with '' for those left out)"""
  x, dy = random(2, 6, 3, 5), random(6, 2, 3, 5).reshape(2, 6, 3, 5)
  yield "Linear", [random(2, 5, 6), random(4, 6)], {}, ["y"]
  yield "Linear", [random(2, 5, 6), random(4, 6), random(4)], {}, ["y"]
  yield "SiLU", [x], {}, ["y"]
  yield "SiLU", [x.astype(np.float16)], {}, ["y"]
  yield "After", [x, dy], {}, ["y"]
  yield "GroupNormalization", [x, random(6), random(6)], dict(num_groups=3), ["y"]
  yield "SwishGradient", [x, dy], dict(alpha=1.7), ["dx"]
  yield "GeluGradient", [x, dy], {}, ["dx"]
  yield "GeluGradient", [x, dy], dict(approximate="tanh"), ["dx"]
  yield "GroupNormalizationGradient", [x, random(6), dy], dict(num_groups=3), ["dx", "dscale", "dbias"]
  yield "GroupNormalizationGradient", [x, random(6), dy], dict(num_groups=2, epsilon=1e-3), ["", "", "dbias"]
  yield "LayerNormalizationGradient", [x, random(3, 5), dy], dict(axis=2), ["dx", "dscale", "dbias"]
  for inputs, attributes in attention_cases():
    yield "Attention", inputs, attributes, ["y", "", "", "", "lse"]
    mask = inputs[3:] or [None]
    q, v = inputs[0], inputs[2]
    packed = q.ndim == 3
    heads = 4 if packed else 3
    y = (2, 5, heads * v.shape[2] // 2) if packed else (2, 3, 5, v.shape[3])
    # Any numbers will do for what the forward pass gave.
    saved = [random(*y), random(2, heads, 5) + 2, random(*y) * 2, random(2, heads, 5)]
    yield "AttentionGradient", inputs[:3] + mask + saved, attributes, ["dq", "dk", "dv"]
    yield "AttentionGradient", inputs[:3] + mask + [None, saved[1], None, saved[3]], attributes, ["dq", "dk"]


def model_of(nodes, opset):
  """One graph of all nodes: (name, inputs, attributes, outputs), and its feeds."""
  inputs, given, outputs, made = [], {}, [], []
  for position, (op, arrays, attributes, names) in enumerate(nodes):
    arguments = []
    for place, array in enumerate(arrays):
      name = "" if array is None else f"n{position}_x{place}"
      arguments.append(name)
      if array is not None:
        given[name] = array
        inputs.append(helper.make_tensor_value_info(name, KIND[array.dtype], array.shape))
    results = [name and f"n{position}_{name}" for name in names]
    outputs += [helper.make_empty_tensor_value_info(name) for name in results if name]
    made.append(helper.make_node(op, arguments, results, name=f"n{position}", domain="dsd", **attributes))
  graph = helper.make_graph(made, "own", inputs, outputs)
  imports = [helper.make_opsetid("", opset), helper.make_opsetid("dsd", 1)]
  return helper.make_model(graph, opset_imports=imports, ir_version=10), given


def compare(label, program, exported, given):
  """Runs an exported file in ONNX Runtime and here. The number of outputs that differ."""
  onnx.checker.check_model(str(exported), full_check=True)
  model = onnx.load(exported, load_external_data=False)
  session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
  names = [o.name for o in model.graph.output]
  worst, failures = 0.0, 0
  for name, a, b in zip(names, ours(program, exported, given, names), session.run(names, given)):
    a, b = a.astype(np.float64), b.astype(np.float64)
    limit = 2e-3 if session.get_outputs()[names.index(name)].type == "tensor(float16)" else TOLERANCE
    difference = np.abs(a - b).max() / max(np.abs(b).max(), 1e-6)
    worst = max(worst, difference)
    if a.shape != b.shape or not difference <= limit:
      failures += 1
      print(f"{label}: {name} is {difference:.1e} away")
  print(f"{label}: checker passed, {len(model.functions)} functions, {len(names)} outputs within {worst:.1e}")
  return failures


def export(args, source, target, *options):
  subprocess.run([args.bin / "dsd", "rewrite", source, "-o", target, *options], check=True, stdout=subprocess.DEVNULL)


def check_own(args, folder, opset):
  model, given = model_of(list(cases()), opset)
  onnx.save(model, folder / "plain.onnx")
  export(args, folder / "plain.onnx", folder / "exported.onnx")
  export(args, folder / "exported.onnx", folder / "again.onnx")
  same = (folder / "exported.onnx").read_bytes() == (folder / "again.onnx").read_bytes()
  if not same:
    print(f"opset {opset}: what is read back is another graph")
  return compare(f"opset {opset}", args.bin / "dsd-run", folder / "exported.onnx", given) + (not same)


def check_unknown(args, folder):
  node = helper.make_node("Unheard", ["x"], ["y"], name="n", domain="dsd")
  body = helper.make_function("dsd", "Unheard", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])],
                              [helper.make_opsetid("", 23)])
  value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
  graph = helper.make_graph([node], "g", value[:1], value[1:])
  imports = [helper.make_opsetid("", 23), helper.make_opsetid("dsd", 1)]
  onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10, functions=[body]), folder / "unknown.onnx")
  result = subprocess.run([args.bin / "dsd-run", folder / "unknown.onnx"], capture_output=True, text=True)
  refused = result.returncode != 0 and "unknown operators: dsd.Unheard" in result.stderr
  print(f"unknown operator of our domain: {'refused' if refused else 'NOT REFUSED ' + result.stderr}")
  return not refused


def check_checkpoint(args, checkpoint):
  exported, probed = checkpoint / "exported.tmp.onnx", checkpoint / "probed.tmp.onnx"
  export(args, checkpoint / "graph.pb", exported, "--recognize", "--fuse")
  model = onnx.load(exported, load_external_data=False)
  count = 0
  for node in model.graph.node:
    if node.op_type == "Attention":
      node.domain = "dsd"
      node.output.extend([""] * (4 - len(node.output)) + [f"{node.name}/lse"])
      model.graph.output.append(helper.make_tensor_value_info(f"{node.name}/lse", TensorProto.FLOAT, [None] * 3))
      count += 1
  onnx.save(model, probed)
  export(args, probed, exported)
  pipeline = json.loads(next(p.value for p in model.metadata_props if p.key == "dsd.pipeline"))
  failures = compare(f"{checkpoint.name}, {count} attentions", args.bin / "dsd-run", exported, feeds(model, 1, pipeline))
  exported.unlink()
  probed.unlink()
  return failures


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoints", nargs="*", type=pathlib.Path)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  args = parser.parse_args()
  failures = 0
  with tempfile.TemporaryDirectory() as scratch:
    for opset in (17, 18, 21, 23):
      failures += check_own(args, pathlib.Path(scratch), opset)
    failures += check_unknown(args, pathlib.Path(scratch))
  for checkpoint in args.checkpoints:
    failures += check_checkpoint(args, checkpoint)
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
