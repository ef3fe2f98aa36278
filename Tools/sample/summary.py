"""The few lines of a table of accuracies that the model card shows.

    python Tools/sample/summary.py TABLE.md > SUMMARY.md

TABLE.md is what `dsd eval --markdown` wrote.
"""

import pathlib
import re
import sys

LAYER = "*up_blocks.1.attentions.0*"
ROWS = [
  ("bias", "", ""),
  ("attention", "logsumexp", "official"),
  ("attention", "logsumexp@content/images", LAYER),
  ("both", "logsumexp", "official"),
  ("both", "logsumexp@content/images", LAYER),
]
HEADS = ["noise", "attention, official", "attention, one layer", "both, official", "both, one layer"]


def cells(line):
  return [cell.strip() for cell in line.strip().strip("|").split("|")]


def main(path):
  found = {}  # task: {row: (captions, images)}
  titles, two_way, task = {}, {}, None
  for line in pathlib.Path(path).read_text().splitlines():
    if title := re.match(r"\*\*(.+?): (\d+) items", line):
      task = title[1]
      found[task], titles[task], two_way[task] = {}, f"{task} ({title[2]})", "images for a caption" in line
    elif task and line.startswith("| ") and (row := tuple(cells(line)[:3])) in ROWS:
      found[task][row] = cells(line)[3], cells(line)[5]
  for place, direction in enumerate(["Captions", "Images"]):
    print(f"\n| {direction} | " + " | ".join(HEADS) + " |\n|---" + "|--:" * len(ROWS) + "|")
    for task, rows in found.items():
      if place == 0 or two_way[task]:
        print(f"| {titles[task]} | " + " | ".join(rows[row][place] for row in ROWS) + " |")


if __name__ == "__main__":
  main(*sys.argv[1:])
