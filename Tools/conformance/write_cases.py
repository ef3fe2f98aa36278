"""Writes ONNX's backend node cases, as the installed `onnx` package makes them, to folders.

    python Tools/conformance/write_cases.py FOLDER [--pack FILE.tar.gz]

Each case becomes FOLDER/NAME/ with `model.onnx` and, for every data set, `test_data_set_N/input_M.pb` and
`output_M.pb`: a TensorProto, SequenceProto or OptionalProto each, as ONNX's own runners read them. `cases.tsv`
lists the cases with their operator and group (closure: what an inference interpreter is expected to have; ext:
recurrent, quantised, sequence, vision and signal operators; out: training, random, strings, images, classic ML).

--pack also writes the folder as one reproducible archive, without the cases whose data is large.
"""

import argparse
import gzip
import io
import pathlib
import tarfile
import warnings
import zlib

from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

EXTENDED = set("""
  BitCast BlackmanWindow CausalConvWithState CenterCropPad Col2Im ConvInteger DFT DeformConv DequantizeLinear Det
  DynamicQuantizeLinear FlexAttention GRU HammingWindow HannWindow LSTM LinearAttention MatMulInteger
  MelWeightMatrix NonMaxSuppression OptionalGetElement OptionalHasElement QLinearConv QLinearMatMul QuantizeLinear
  RNN RoiAlign STFT SequenceInsert SequenceMap Unique
""".split())
OUTSIDE = set("""
  Adagrad Adam ArrayFeatureExtractor Bernoulli Binarizer ImageDecoder LabelEncoder Momentum
  NegativeLogLikelihoodLoss RegexFullMatch SoftmaxCrossEntropyLoss StringConcat StringNormalizer StringSplit
  TfIdfVectorizer TreeEnsemble
""".split())

# Compressed bytes above which a case is left out of an archive.
LARGE = 12_000


def message(value, info):
  """The protobuf message of an input's or output's value, by the type that the graph declares."""
  if isinstance(value, TensorProto):
    return value
  kind = info.type.WhichOneof("value")
  write = {
    "tensor_type": numpy_helper.from_array, "sequence_type": numpy_helper.from_list,
    "optional_type": numpy_helper.from_optional, "map_type": numpy_helper.from_dict}[kind]
  return write(value, info.name)


def operator(case, cases):
  """The operator that a case is about: its last node's, in the case that it is an expansion of."""
  return cases.get(case.name.split("_expanded")[0], case).model.graph.node[-1].op_type


def group(operator):
  return "ext" if operator in EXTENDED else "out" if operator in OUTSIDE else "closure"


def files(case):
  """Paths below the case's folder, with their bytes."""
  yield "model.onnx", case.model.SerializeToString()
  graph = case.model.graph
  for number, (inputs, outputs) in enumerate(case.data_sets):
    for name, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
      for position, (value, info) in enumerate(zip(values, infos)):
        yield (f"test_data_set_{number}/{name}_{position}.pb", message(value, info).SerializeToString())


def pack(entries, path):
  """One archive with the same bytes whenever it is made of the same entries."""
  with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
      for name, content in entries:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("--pack", type=pathlib.Path, help="an archive of the cases")
  options = parser.parse_args()
  warnings.simplefilter("ignore")
  cases = sorted(collect_testcases(), key=lambda case: case.name)
  by_name = {case.name: case for case in cases}
  operators = {name: operator(case, by_name) for name, case in by_name.items()}
  entries = []
  packed = []
  for case in cases:
    content = [(f"{case.name}/{name}", data) for name, data in files(case)]
    entries += content
    if sum(len(zlib.compress(data)) for _, data in content) < LARGE:
      packed.append((case, content))
  for name, data in entries:
    path = options.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

  def table(names):
    rows = [f"{name}\t{operators[name]}\t{group(operators[name])}" for name in names]
    return ("\n".join(rows) + "\n").encode()

  (options.folder / "cases.tsv").write_bytes(table([case.name for case in cases]))
  print(f"{len(cases)} cases in {options.folder}")
  if options.pack:
    listing = ("cases.tsv", table([case.name for case, _ in packed]))
    # Cases and their expansions have the same data: side by side, it compresses to once its size.
    entries = sorted(
      (name.split("/")[0].split("_expanded")[0], name.split("/", 1)[1], name, data)
      for _, content in packed for name, data in content)
    pack([listing] + [(name, data) for *_, name, data in entries], options.pack)
    left = sorted({case.name for case in cases} - {case.name for case, _ in packed})
    print(f"{len(packed)} cases in {options.pack}; left out: {', '.join(left)}")


if __name__ == "__main__":
  main()
