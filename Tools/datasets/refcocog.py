#!/usr/bin/env python3
"""Writes the referring expressions of RefCOCOg as JSON lines, from the files as they are distributed.

    refcocog.py FOLDER [-o FILE]

FOLDER has `refs(google).p`, a Python pickle, and `instances.json`. The result, FOLDER/refs(google).jsonl unless told
otherwise, is what `dsd eval --dataset refcocog` reads: a line for each reference with `ref_id`, `image_id`, `split`,
`image` (the name of its file) and `sentences`, each with `sent_id` and `raw`. Unpickling runs what a pickle says: give
it files from where you trust them.
"""

import argparse
import json
import os
import pathlib
import pickle


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("-o", "--output", type=pathlib.Path)
  args = parser.parse_args()
  with open(args.folder / "refs(google).p", "rb") as file:
    references = pickle.load(file)
  images = {image["id"]: image["file_name"]
    for image in json.loads((args.folder / "instances.json").read_text())["images"]}
  output = args.output or args.folder / "refs(google).jsonl"
  scratch = output.with_name(output.name + ".part")
  with open(scratch, "w") as file:
    for reference in references:
      if reference["image_id"] not in images:
        raise SystemExit(f"instances.json: has no image {reference['image_id']}")
      file.write(json.dumps({"ref_id": reference["ref_id"], "image_id": reference["image_id"],
        "split": reference["split"], "image": images[reference["image_id"]],
        "sentences": [{"sent_id": s["sent_id"], "raw": s["raw"]} for s in reference["sentences"]]}) + "\n")
  os.replace(scratch, output)
  print(f"{output}: {len(references)} references")


if __name__ == "__main__":
  main()
