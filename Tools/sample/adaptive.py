#!/usr/bin/env python3
"""How many UNet passes `--adaptive` saves on the sample's ten-way task, and how often it changes an answer.

    adaptive.py --bin .build/release [--limit 500] [--samples 10] [--error-rate 0.05] [--score both]

Runs `dsd-run` over the `clothing` items of Graphs/sample/benchmark twice, with every pass and with --adaptive; needs
Pillow to cut out the images.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile

from PIL import Image

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "Graphs/sample"


def cut(item, folder):
  """The item's picture as a file of its own."""
  name, _, box = item["images"][0].partition("#xywh=")
  x, y, w, h = map(int, box.split(","))
  path = folder / f"{item['id'].replace('/', '-')}.png"
  with Image.open(SAMPLE / "benchmark" / name) as sheet:
    sheet.convert("RGB").crop((x, y, x + w, y + h)).save(path)
  return path


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, required=True)
  parser.add_argument("--limit", type=int, default=500)
  parser.add_argument("--samples", type=int, default=10)
  parser.add_argument("--error-rate", type=float, default=0.05)
  parser.add_argument("--score", default="both")
  args = parser.parse_args()
  items = [json.loads(line) for line in open(SAMPLE / "benchmark/items.jsonl")]
  items = [item for item in items if item["task"] == "clothing"][:args.limit]
  groups = collections.defaultdict(list)
  for item in items:
    groups[tuple(item["texts"])].append(item)
  same, right, count, passes, full = 0, [0, 0], 0, 0, 0
  with tempfile.TemporaryDirectory() as scratch:
    def answers(group):
      texts, members = group
      # The model is small: processes beside each other are faster than threads.
      command = [args.bin / "dsd-run", SAMPLE / "graph.pb", "--hook", "attn-score", "--samples", args.samples,
        "--score", args.score, "--threads", 1, "--json"]
      for item in members:
        command += ["--image", cut(item, pathlib.Path(scratch))]
      for text in texts:
        command += ["--text", text]
      def run(*more):
        done = subprocess.run([str(c) for c in (*command, *more)], capture_output=True, text=True)
        if done.returncode:
          raise SystemExit(done.stderr)
        return json.loads(done.stdout)
      return members, run(), run("--adaptive", "--error-rate", args.error_rate)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
      for members, every, fewer in pool.map(answers, groups.items()):
        passes += fewer["adaptive"]["passes"]
        full += fewer["adaptive"]["all_passes"]
        for item, a, b in zip(members, every["best_text"], fewer["best_text"]):
          count += 1
          same += a == b
          truth = item["right"][0][1]
          right[0] += a == truth
          right[1] += b == truth
  print(f"{count} images, {args.samples} timesteps, --score {args.score}, error rate {args.error_rate}: "
    f"{passes} of {full} passes, {full / passes:.2f} × fewer; same answer for {same} ({100 * same / count:.1f} %); "
    f"right {right[0]} with every pass, {right[1]} with fewer")


if __name__ == "__main__":
  main()
