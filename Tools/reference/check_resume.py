#!/usr/bin/env python3
"""Kills `dsd train` at random moments and lets it go on: the adapter must be the same, bit for bit.

    check_resume.py --bin .build/release GRAPH ITEMS.jsonl [--method lora:4] [--kills 10] [--seed 0]

One run is left alone. Another is killed (signal 9) at random moments, again and again, and goes on with --resume each
time; the last one ends by itself. A third of the kills come at any time from the start on, while the model is read,
planned and measured; the others once the run has taken steps of its own. Compared are the learned file and the log.
Exit code 1 when they differ, or when a run ended before it could be killed: then there were too few steps.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time


def lines(path):
  return path.read_bytes().count(b"\n") if path.exists() else 0


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("graph")
  parser.add_argument("items")
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd")
  parser.add_argument("--method", default="lora:4")
  parser.add_argument("--kills", type=int, default=10)
  parser.add_argument("--steps", type=int, default=30)
  parser.add_argument("--seed", type=int, default=0)
  args = parser.parse_args()
  rng = random.Random(args.seed)
  with tempfile.TemporaryDirectory() as folder:
    work = pathlib.Path(folder)

    def command(name):
      return [args.bin / "dsd", "train", args.graph, "--items", args.items, "--method", args.method, "--shots", "4",
        "--steps", str(args.steps), "--batch", "4", "--samples", "2", "--checkpoint-every", "1", "--validation-share",
        "0.02", "--validate-every", "10", "--log", work / f"{name}.jsonl", "-o", work / f"{name}.out", "--resume"]

    began = time.time()
    subprocess.run(command("whole"), check=True, capture_output=True)
    seconds = time.time() - began
    print(f"alone: {seconds:.1f} s")
    early = 0
    for kill in range(args.kills):
      before, began = lines(work / "cut.jsonl"), time.time()
      process = subprocess.Popen(command("cut"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
      if kill % 3 != 2:
        while process.poll() is None and lines(work / "cut.jsonl") == before:
          time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.6) * seconds / args.kills)
      else:
        time.sleep(rng.uniform(0, 0.3) * seconds)
      early += process.poll() is not None
      process.kill()
      process.wait()
      after = lines(work / "cut.jsonl")
      print(f"kill {kill + 1}: after {time.time() - began:.1f} s, {after} lines of the log", flush=True)
    subprocess.run(command("cut"), check=True, capture_output=True)
    same = {s: (work / f"whole.{s}").read_bytes() == (work / f"cut.{s}").read_bytes() for s in ("out", "jsonl")}
    print(f"learned file {'identical' if same['out'] else 'DIFFERS'}, log {'identical' if same['jsonl'] else 'DIFFERS'}")
    if early:
      print(f"{early} runs had ended before they were killed")
    sys.exit(0 if all(same.values()) and not early else 1)


if __name__ == "__main__":
  main()
