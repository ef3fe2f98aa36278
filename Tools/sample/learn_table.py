"""The table of what learning from a few scenes brings, of the results of learn.sh.

    python Tools/sample/learn_table.py WORK > TABLE.md

Accuracy by task, of items that are not held out: the mean over seeds, and their range. The zero-shot row has its 95 %
interval by bootstrap over items; a cell is bold where every seed is above it.
"""

import collections
import json
import pathlib
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
  runs = collections.defaultdict(list)  # (term, method, shots): accuracies of every seed
  for path in sorted(work.glob("*.*.*.*.json")):
    term, method, shots, _ = path.stem.split(".")
    runs[term, method, shots].append(accuracies(path))
  order = lambda key: (key[1], 1e9 if key[2] == "all" else int(key[2]))
  for term, title in (("attention", "The attention term alone, learned by itself"), ("both", "Both terms")):
    print(f"\n{title}:\n")
    print("| Learned | shots | seeds | " + " | ".join(f"{t}, {d}" for t, d in zero) + " |")
    print("|---|--:|--:|" + "--:|" * len(zero))
    bases = [zero[key][term] for key in zero]
    shown = [f"{percent(v)} [{percent(low)}–{percent(high)}]" for v, low, high in bases]
    print("| nothing | | | " + " | ".join(shown) + " |")
    for key in sorted((k for k in runs if k[0] == term), key=order):
      seeds = runs[key]
      row = "head" if key[1].startswith("head-") else term
      cells = [cell([s[question][row][0] for s in seeds], base) for question, base in zip(zero, bases)]
      print(f"| {key[1]} | {key[2]} | {len(seeds)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
  main(pathlib.Path(sys.argv[1]))
