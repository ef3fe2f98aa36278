"""The table of what learning from a few scenes brings, of the results of learn.sh.

    python Tools/sample/learn_table.py WORK > TABLE.md

For every way to learn: accuracy of the attention term alone, the bias alone and both, by task; the mean over seeds.
The interval is that of the zero-shot row by bootstrap over items; beside means over seeds stands their range. A cell
is bold where every seed is above the zero-shot interval.
"""

import collections
import json
import pathlib
import re
import sys


def accuracies(path):
  """{(task, direction): {row: (accuracy, low, high)}} of items that are not held out; heads are the row "head"."""
  table, found = json.loads(path.read_text())["table"], {}
  for group in table["groups"]:
    if group["held_out"]:
      continue
    for direction in group["directions"]:
      short = "captions" if direction["direction"].startswith("captions") else "images"
      rows = found[group["task"], short] = {}
      for choice, result in zip(table["choices"], direction["results"]):
        if result:
          name = "head" if choice.get("head") else choice["term"]
          rows[name] = tuple(result["accuracy"][k] for k in ("value", "low", "high"))
  return found


def percent(value):
  return f"{100 * value:.1f}"


def cell(values, base):
  """The mean over seeds and their range."""
  mean = sum(values) / len(values)
  text = f"{percent(mean)} ({percent(min(values))}–{percent(max(values))})"
  return f"**{text}**" if min(values) > base[2] else text


def main(work):
  zero = accuracies(work / "zero-shot.json")
  runs = collections.defaultdict(list)  # (method, shots): accuracies of every seed
  for path in sorted(work.glob("*-*-*.json")):
    if match := re.fullmatch(r"(.+)-(\d+|all)-\d+", path.stem):
      runs[match[1], match[2]].append(accuracies(path))
  order = lambda key: (key[0], 1e9 if key[1] == "all" else int(key[1]))
  for term in ("attention", "bias", "both"):
    print(f"\n{term[0].upper() + term[1:]}:\n")
    print("| Learned | shots | seeds | " + " | ".join(f"{t}, {d}" for t, d in zero) + " |")
    print("|---|--:|--:|" + "--:|" * len(zero))
    bases = [zero[key][term] for key in zero]
    shown = [f"{percent(v)} ({percent(low)}–{percent(high)})" for v, low, high in bases]
    print("| nothing | | | " + " | ".join(shown) + " |")
    for method, shots in sorted(runs, key=order):
      seeds = runs[method, shots]
      name = "head" if method.startswith("head-") and term == "both" else term
      if method.startswith("head-") and term != "both":
        continue
      cells = [cell([s[key][name][0] for s in seeds], base) for key, base in zip(zero, bases)]
      print(f"| {method} | {shots} | {len(seeds)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]))
