#!/usr/bin/env python3
"""How time and memory of a matching job grow with images, captions and timesteps: a table and a plot.

    linearity.py --bin .build/release [--counts 1,2,4,8,16,32] [--others 2] [--threads 2] [--rounds 3]
      [--chart FILE.png] [--json FILE]

dsd-run with the sample model, from start to exit; each axis in turn, the other two at `--others`. The least of the
rounds counts. Time is fitted by a line; what is off it is told by the time itself.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np

import throughput


def run(args, paths, captions, timesteps):
  """Seconds and MB of one job."""
  command = throughput.command(args, paths, captions, throughput.timesteps(timesteps))
  start = time.perf_counter()
  child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
  _, status, usage = os.wait4(child.pid, 0)
  if status:
    raise SystemExit(f"dsd-run: status {status}")
  return time.perf_counter() - start, usage.ru_maxrss / 1024


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, default=throughput.ROOT / ".build" / "release")
  parser.add_argument("--counts", default="1,2,4,8,16,32")
  parser.add_argument("--others", type=int, default=2)
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--chart", type=pathlib.Path)
  parser.add_argument("--json", type=pathlib.Path)
  args = parser.parse_args()
  counts = [int(n) for n in args.counts.split(",")]
  axes = ["images", "captions", "timesteps"]
  seconds = {axis: [[] for _ in counts] for axis in axes}
  memory = {axis: [[] for _ in counts] for axis in axes}
  with tempfile.TemporaryDirectory() as scratch:
    paths = throughput.write_images(pathlib.Path(scratch), max(counts + [args.others]))
    run(args, paths[:1], 1, 1)
    for _ in range(args.rounds):
      for axis in axes:
        for place, count in enumerate(counts):
          extents = {other: args.others for other in axes} | {axis: count}
          taken, held = run(args, paths[:extents["images"]], extents["captions"], extents["timesteps"])
          seconds[axis][place].append(taken)
          memory[axis][place].append(held)
  print(f"dsd-run, sample model, {args.threads} threads, the other axes at {args.others}")
  result = {}
  for axis in axes:
    least = np.array([min(taken) for taken in seconds[axis]])
    held = np.array([max(all_) for all_ in memory[axis]])
    # Off the line relative to the time, so that short jobs count as much as long ones.
    slope, base = np.polyfit(counts, least, 1, w=1 / least)
    off = abs(np.polyval([slope, base], counts) / least - 1)
    result[axis] = {"counts": counts, "seconds": least.tolist(), "MB": held.tolist(), "slope": slope, "base": base,
      "off": off.max()}
    print(f"\n{axis:10}" + "".join(f"{n:>9}" for n in counts))
    print(f"{'seconds':10}" + "".join(f"{t:9.3f}" for t in least))
    print(f"{'MB':10}" + "".join(f"{m:9.0f}" for m in held))
    print(f"  {base:.3f} s + {slope:.4f} s each; at most {100 * off.max():.1f} % off")
  if args.json:
    args.json.write_text(json.dumps(result, indent=1) + "\n")
  if args.chart:
    draw(result, args)


def draw(result, args):
  import matplotlib
  matplotlib.use("Agg")
  from matplotlib import pyplot
  figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
  for axis, found in result.items():
    line, = left.plot(found["counts"], found["seconds"], "o", label=axis)
    ends = np.array([0, max(found["counts"])])
    left.plot(ends, found["base"] + found["slope"] * ends, color=line.get_color(), linewidth=1)
    right.plot(found["counts"], found["MB"], "o-", color=line.get_color(), label=axis)
  left.set(xlabel=f"number of one, the others {args.others}", ylabel="seconds", xlim=(0, None), ylim=(0, None))
  right.set(xlabel=f"number of one, the others {args.others}", ylabel="most memory, MB", xlim=(0, None), ylim=(0, None))
  left.legend(frameon=False)
  right.legend(frameon=False)
  for part in (left, right):
    part.spines[["top", "right"]].set_visible(False)
  figure.savefig(args.chart, dpi=110)


if __name__ == "__main__":
  main()
