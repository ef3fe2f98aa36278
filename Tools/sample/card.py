"""Puts measured text into the model card, between `<!-- NAME -->` and `<!-- /NAME -->`.

    python Tools/sample/card.py Graphs/sample/README.md NAME=FILE …
"""

import pathlib
import re
import sys


def main(card, *parts):
  card = pathlib.Path(card)
  text = card.read_text()
  for part in parts:
    name, _, path = part.partition("=")
    body = pathlib.Path(path).read_text().strip()
    if not path.endswith(".md"):
      body = f"```\n{body}\n```"
    text, count = re.subn(
      rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}{body}\n{m[2]}", text, flags=re.S)
    if count != 1:
      sys.exit(f"{card}: {count} places for {name}")
  card.write_text(text)


if __name__ == "__main__":
  main(*sys.argv[1:])
