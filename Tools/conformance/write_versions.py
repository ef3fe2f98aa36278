"""Writes the cases once more for every older version of their operators, as far as ONNX Runtime confirms them.

    python Tools/conformance/write_versions.py CASES FOLDER

CASES is a folder of cases as write_cases.py makes them. A case of one node is brought to each opset from 7 on at which
its operator changed, by ONNX's version converter or, where that gives up, by stating the opset alone. It becomes
FOLDER/NAME_vN when ONNX Runtime gives the case's outputs for it; `dsd-conformance FOLDER` then has to.
"""

import argparse
import pathlib
import shutil
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper


def tensor(path):
  message = onnx.TensorProto()
  message.ParseFromString(path.read_bytes())
  return numpy_helper.to_array(message)


def agrees(data, folder):
  """Whether ONNX Runtime gives a case's outputs for a model."""
  options = onnxruntime.SessionOptions()
  options.log_severity_level = 4
  try:
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for number in range(9):
      data_set = folder / f"test_data_set_{number}"
      if not data_set.exists():
        return number > 0
      inputs = {info.name: tensor(data_set / f"input_{i}.pb") for i, info in enumerate(session.get_inputs())}
      for i, result in enumerate(session.run(None, inputs)):
        expected = tensor(data_set / f"output_{i}.pb")
        if result.dtype != expected.dtype or result.shape != expected.shape:
          return False
        tolerance = 1e-2 if result.dtype == numpy.float16 else 1e-3
        if not numpy.allclose(result, expected, rtol=tolerance, atol=1e-5, equal_nan=True):
          return False
  except Exception:
    return False
  return False


def candidates(model, version):
  """The model at an older opset: converted, and as it is."""
  try:
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      yield onnx.version_converter.convert_version(model, version)
  except Exception:
    pass
  stamped = onnx.ModelProto()
  stamped.CopyFrom(model)
  for entry in stamped.opset_import:
    if entry.domain in ("", "ai.onnx"):
      entry.version = version
  yield stamped


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("cases", type=pathlib.Path)
  parser.add_argument("folder", type=pathlib.Path)
  options = parser.parse_args()
  history = {}
  for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "":
      history.setdefault(schema.name, set()).add(schema.since_version)
  pool = ProcessPoolExecutor(1)
  rows = []
  tried = 0
  for line in (options.cases / "cases.tsv").read_text().splitlines():
    name, operator, group = line.split("\t")
    model = onnx.load(str(options.cases / name / "model.onnx"))
    if len(model.graph.node) != 1 or group == "out":
      continue
    current = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    # The opset just before each change has the form that came before it.
    changes = sorted(v for v in history.get(operator, ()) if v > 7)
    for version in sorted({v - 1 for v in changes if v <= current} | {7}):
      if version < 7 or version >= current:
        continue
      for candidate in candidates(model, version):
        tried += 1
        candidate.ir_version = min(candidate.ir_version, 10)
        data = candidate.SerializeToString()
        try:
          good = pool.submit(agrees, data, options.cases / name).result()
        except BrokenProcessPool:
          pool = ProcessPoolExecutor(1)
          good = False
        if good:
          target = options.folder / f"{name}_v{version}"
          shutil.copytree(options.cases / name, target, dirs_exist_ok=True)
          (target / "model.onnx").write_bytes(data)
          rows.append(f"{target.name}\t{operator}\t{group}\n")
          break
  (options.folder / "cases.tsv").write_text("".join(rows))
  print(f"{len(rows)} of {tried} models in {options.folder}")


if __name__ == "__main__":
  main()
