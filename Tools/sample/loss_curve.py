"""Draws WORK/unet-loss.jsonl and WORK/vae-loss.jsonl, the training's logs, as one PNG.

    python Tools/sample/loss_curve.py WORK Graphs/sample/card/loss.png
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def main(work, path):
  parts = [
    ("Autoencoder: mean absolute error (pixels in −1…1)", "vae-loss.jsonl"),
    ("UNet and text encoder: mean squared error of the noise", "unet-loss.jsonl")]
  figure, axes = pyplot.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
  for axis, (title, name) in zip(axes, parts):
    log = [json.loads(line) for line in (pathlib.Path(work) / name).read_text().splitlines()]
    axis.plot([r["step"] for r in log], [r["loss"] for r in log], linewidth=1.2, color="#2b6cb0")
    axis.set(title=title, xlabel="step", yscale="log")
    axis.grid(True, which="both", alpha=0.25)
  figure.savefig(path, dpi=90)


if __name__ == "__main__":
  main(*sys.argv[1:])
