"""Writes ONNX's backend node cases, as the installed `onnx` package makes them, to folders.

    python Tools/conformance/write_cases.py FOLDER

Each case becomes FOLDER/NAME/ with `model.onnx` and, for every data set, `test_data_set_N/input_M.pb` and
`output_M.pb`: a TensorProto, SequenceProto or OptionalProto each, as ONNX's own runners read them.
"""

import argparse
import pathlib
import warnings

from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases


def message(value, info):
  """The protobuf message of an input's or output's value, by the type that the graph declares."""
  if isinstance(value, TensorProto):
    return value
  kind = info.type.WhichOneof("value")
  write = {
    "tensor_type": numpy_helper.from_array, "sequence_type": numpy_helper.from_list,
    "optional_type": numpy_helper.from_optional, "map_type": numpy_helper.from_dict}[kind]
  return write(value, info.name)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  options = parser.parse_args()
  warnings.simplefilter("ignore")
  cases = collect_testcases()
  for case in cases:
    folder = options.folder / case.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    graph = case.model.graph
    for number, (inputs, outputs) in enumerate(case.data_sets):
      data = folder / f"test_data_set_{number}"
      data.mkdir(exist_ok=True)
      for name, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
        for position, (value, info) in enumerate(zip(values, infos)):
          (data / f"{name}_{position}.pb").write_bytes(message(value, info).SerializeToString())
  print(f"{len(cases)} cases in {options.folder}")


if __name__ == "__main__":
  main()
