"""Compares what is refused when a graph is loaded with what ONNX Runtime refuses.

    python Tools/conformance/ill_typed.py CASES DSD

CASES is a folder of cases as write_cases.py makes them, DSD the program `dsd`. Every case of one node is made wrong
in several ways: another element type for an input, another rank, one input or output too many, a required input left
out, an attribute that does not exist or is of another kind. Printed is every model that ONNX Runtime refuses as wrong
and `dsd inspect` does not, and every refusal that does not name the node; then the counts.
"""

import argparse
import pathlib
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import onnx
import onnxruntime
from onnx import TensorProto, helper

TYPES = [TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.INT32, TensorProto.UINT8]


def variants(model):
  """Wrong copies of a model of one node, with what is wrong about each."""

  def copy():
    other = onnx.ModelProto()
    other.CopyFrom(model)
    return other

  node = model.graph.node[0]
  for position, info in enumerate(model.graph.input):
    kind = info.type.tensor_type.elem_type
    if not info.type.HasField("tensor_type"):
      continue
    for dtype in TYPES:
      if dtype != kind:
        other = copy()
        other.graph.input[position].type.tensor_type.elem_type = dtype
        yield f"{info.name} as {TensorProto.DataType.Name(dtype)}", other
    for change in (-1, 1):
      other = copy()
      dims = other.graph.input[position].type.tensor_type.shape.dim
      if change < 0:
        if not dims:
          continue
        del dims[0]
      else:
        dims.add().dim_value = 2
      yield f"{info.name} with {'a dimension less' if change < 0 else 'a dimension more'}", other
  for count in (1, 8):
    other = copy()
    other.graph.node[0].input.extend([node.input[0] if node.input else ""] * count)
    yield f"{count} inputs more", other
  for position, name in enumerate(node.input):
    if name:
      other = copy()
      other.graph.node[0].input[position] = ""
      yield f"without input {position}", other
  other = copy()
  other.graph.node[0].output.extend([f"extra_{n}" for n in range(8)])
  yield "8 outputs more", other
  other = copy()
  other.graph.node[0].attribute.append(helper.make_attribute("no_such_attribute", 1))
  yield "an unknown attribute", other
  for position, attribute in enumerate(node.attribute):
    other = copy()
    wrong = 1.5 if attribute.type != onnx.AttributeProto.FLOAT else "text"
    other.graph.node[0].attribute[position].CopyFrom(helper.make_attribute(attribute.name, wrong))
    yield f"attribute {attribute.name} of another kind", other
  for position, attribute in enumerate(node.attribute):
    other = copy()
    del other.graph.node[0].attribute[position]
    yield f"without attribute {attribute.name}", other
  other = copy()
  if other.graph.output and other.graph.output[0].type.HasField("tensor_type"):
    tensor = other.graph.output[0].type.tensor_type
    tensor.elem_type = next(kind for kind in TYPES if kind != tensor.elem_type)
    yield "the output declared of another type", other


def runtime_refusal(data):
  """Why ONNX Runtime finds the model wrong, or None; a kernel that it lacks is no fault of the model."""
  options = onnxruntime.SessionOptions()
  options.log_severity_level = 4
  try:
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
  except Exception as error:  # Every kind of failure, by its text.
    text = str(error)
    return None if "NOT_IMPLEMENTED" in text or "opset" in text.lower() else text.replace("\n", " ")
  return None


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("cases", type=pathlib.Path)
  parser.add_argument("dsd")
  parser.add_argument("--only", default="", help="cases whose names contain this")
  parser.add_argument("--strict", action="store_true", help="also what only we refuse")
  options = parser.parse_args()
  jobs = []
  seen = set()
  for folder in sorted(options.cases.iterdir()):
    path = folder / "model.onnx"
    if not path.exists() or options.only not in folder.name:
      continue
    model = onnx.load(str(path))
    group = (folder.parent / "cases.tsv").read_text().split(folder.name + "\t")[1].split("\n")[0].split("\t")[1]
    if len(model.graph.node) != 1 or group == "out":
      continue
    for what, wrong in variants(model):
      data = wrong.SerializeToString()
      key = (model.graph.node[0].op_type, what)
      if (key, len(model.graph.input)) in seen:
        continue
      seen.add((key, len(model.graph.input)))
      jobs.append((folder.name, what, data))

  runtime = ProcessPoolExecutor(1)

  counts = {
    "both": 0, "neither": 0, "only ONNX Runtime": 0, "only dsd": 0, "node not named": 0, "ONNX Runtime crashed": 0}

  def run(job):
    nonlocal runtime
    name, what, data = job
    try:
      theirs = runtime.submit(runtime_refusal, data).result()
    except BrokenProcessPool:
      # Some of these models end ONNX Runtime's process.
      theirs = None
      counts["ONNX Runtime crashed"] += 1
      runtime = ProcessPoolExecutor(1)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
      file.write(data)
      file.flush()
      ours = subprocess.run([options.dsd, "inspect", file.name], capture_output=True, text=True)
    return name, what, theirs, ours

  for job in jobs:
    name, what, theirs, ours = run(job)
    error = ours.stderr.strip()
    if ours.returncode not in (0, 64, 65):
      print(f"{name}: {what}: ended with {ours.returncode}: {error[:400]}")
    refused = ours.returncode != 0
    key = ("both" if refused else "only ONNX Runtime") if theirs else "only dsd" if refused else "neither"
    counts[key] += 1
    if key == "only ONNX Runtime":
      print(f"{name}: {what}: accepted; ONNX Runtime: {theirs[:400]}")
    if key == "only dsd" and options.strict:
      print(f"{name}: {what}: refused: {error[:400]}")
    if refused and "node '" not in error and "value '" not in error and "input '" not in error:
      counts["node not named"] += 1
      print(f"{name}: {what}: names no node: {error[:400]}")
  print(", ".join(f"{key}: {value}" for key, value in counts.items()), f"of {len(jobs)}")


if __name__ == "__main__":
  main()
