#!/usr/bin/env python3
"""Makes a miniature of every dataset that `dsd eval --dataset` reads, in its published format.

    miniatures.py FOLDER

The images are scenes of the sample's benchmark, the captions theirs. Tests/Fixtures/datasets was made by it (needs
Pillow); names of files, columns and keys are the published ones.
"""

import csv
import io
import json
import pathlib
import pickle
import shutil
import subprocess
import sys

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "Graphs" / "sample" / "benchmark"


class Scenes:
  """The benchmark's items, and their images."""

  def __init__(self):
    self.items = {}
    for line in (BENCHMARK / "items.jsonl").read_text().splitlines():
      item = json.loads(line)
      self.items[item["id"]] = item
    self.atlases = {name: Image.open(BENCHMARK / name).convert("RGB") for name in ("scenes.png", "clothing.png")}

  def item(self, task, number):
    return self.items[f"{task}/{number:04d}"]

  def clothing(self, number):
    """An image, what it shows, and what it does not show."""
    item = self.item("clothing", number)
    right = item["right"][0][1]
    return item["images"][0], item["texts"][right], item["texts"][:right] + item["texts"][right + 1:]

  def picture(self, reference):
    name, box = reference.split("#xywh=")
    x, y, width, height = map(int, box.split(","))
    return self.atlases[name].crop((x, y, x + width, y + height))

  def save(self, reference, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = self.picture(reference)
    if path.suffix == ".png":
      picture.save(path, optimize=True)
    else:
      picture.save(path, quality=92)


def write_csv(path, header, rows):
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(header)
  writer.writerows(rows)
  path.write_text(text.getvalue())


def comvg(scenes, folder):
  rows = []
  for number, (task, kind) in enumerate([("subject", "subject"), ("object", "object"), ("relation", "verb")] * 2):
    item = scenes.item(task, number)
    right, wrong = 2350000 + 2 * number, 2350001 + 2 * number
    for reference, image in zip(item["images"], (right, wrong)):
      scenes.save(reference, folder / f"{image}.jpg")
    words = item["texts"][0].split()
    triplet = (words[2], words[3], words[-1])
    rows.append([number + 1, item["texts"][0], ",".join(triplet), str(triplet), right, wrong, kind])
  write_csv(folder / "compositional_visual_genome.csv",
    ["id", "sentence", "pos_triplet", "neg_triplet", "pos_image_id", "neg_image_id", "neg_value"], rows)


def vqa_other(scenes, folder):
  # Answers as odd as the published ones.
  odd = ["12:40", "at&t", "it's not", 'a "stop" sign', "blue, white", "café", "1/2", "no 1", "#9"]
  rows = []
  for number in range(3):
    reference, right, others = scenes.clothing(number)
    image = 262100 + number
    scenes.save(reference, folder / f"COCO_val2014_{image:012d}.jpg")
    question = ["What is shown?", 'What does the "sign" say, if any?', "What is it?"][number]
    wrong = others if number != 1 else odd
    rows.append([f"{question} {right}", image] + [f"{question} {answer}" for answer in wrong])
  # A wrong answer that is the right one, as one published row has it.
  rows[2][5] = rows[2][0]
  write_csv(folder / "vqa_text_test.csv",
    ["sentence", "pos_image_id"] + [f"neg_sentence_{n}" for n in range(1, 10)], rows)


def vqa_binary(scenes, folder):
  lines = []
  for number in range(12):
    reference, text, _ = scenes.clothing(20 + number)
    name = f"COCO_val2014_{390200 + number:012d}.jpg"
    scenes.save(reference, folder / name)
    lines.append(f"{name}*The question is asking about yes or no: is there {text}? yes, {text}")
    if number % 4 == 0:
      lines.append(f"{name}*The question is asking about others: what is there? There is {text}.")
  (folder / "test.txt").write_text("\n".join(lines) + "\n")


def winoground(scenes, folder):
  lines = []
  for number, (task, tag) in enumerate([("colour", "Relation"), ("colour", "Object"), ("relation", "Both")]):
    item = scenes.item(task, 30 + number)
    names = [f"ex_{number}_img_{n}" for n in (0, 1)]
    for reference, name in zip(item["images"], names):
      scenes.save(reference, folder / "images" / f"{name}.png")
    lines.append(json.dumps({"id": number, "caption_0": item["texts"][0], "caption_1": item["texts"][1],
      "tag": "Adjective-Color", "secondary_tag": "", "num_main_preds": 1, "collapsed_tag": tag,
      "image_0": names[0], "image_1": names[1]}))
  (folder / "examples.jsonl").write_text("\n".join(lines) + "\n")


def aro(scenes, folder):
  relation, attribution = [], []
  for number in range(2):
    for cases, task in ((relation, "relation"), (attribution, "colour")):
      item = scenes.item(task, 50 + number)
      name = f"{2316000 + len(relation) * 10 + len(attribution)}.jpg"
      # A scene in a larger image: the rectangle of the case is what counts.
      picture = Image.new("RGB", (96, 80), (30, 60, 90))
      picture.paste(scenes.picture(item["images"][0]), (16, 8))
      (folder / "images").mkdir(parents=True, exist_ok=True)
      picture.save(folder / "images" / name, quality=92)
      case = {"image_id": name[:-4], "image_path": name, "bbox_x": 16, "bbox_y": 8, "bbox_w": 64, "bbox_h": 64,
        "true_caption": item["texts"][0], "false_caption": item["texts"][1]}
      if task == "relation":
        case["relation_name"] = "above" if " above " in item["texts"][0] else "next to"
      else:
        case["attributes"] = [item["texts"][0].split()[1], item["texts"][1].split()[1]]
      cases.append(case)
  (folder / "visual_genome_relation.json").write_text(json.dumps(relation))
  (folder / "visual_genome_attribution.json").write_text(json.dumps(attribution))


def sugarcrepe(scenes, folder):
  for part, task, first in (("replace_obj", "object", 70), ("replace_rel", "relation", 80), ("swap_att", "colour", 90)):
    cases = {}
    for number in range(2):
      item = scenes.item(task, first + number)
      name = f"{100000 + first + number:012d}.jpg"
      scenes.save(item["images"][0], folder / "val2017" / name)
      cases[str(number)] = {"filename": name, "caption": item["texts"][0], "negative_caption": item["texts"][1]}
    (folder / f"{part}.json").write_text(json.dumps(cases, indent=4))


def vl_checklist(scenes, folder):
  for path, task, source, first in (("Attribute/vg/color", "colour", "vg/VG_100K", 110),
      ("Relation/swig_action", "relation", "swig", 115)):
    cases = []
    for number in range(2):
      item = scenes.item(task, first + number)
      name = f"{2400000 + first + number}.jpg"
      scenes.save(item["images"][0], folder / source / name)
      inside = f"VG_100K/{name}" if source.startswith("vg") else name
      cases.append([inside, {"POS": [item["texts"][0]], "NEG": [item["texts"][1], "something else"]}])
    file = folder / "data" / f"{path}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(cases))


def imagefolder(scenes, folder):
  chosen = {}
  for number in range(500):
    reference, text, _ = scenes.clothing(number)
    kind = text.split()[-1]
    if kind in ("bag", "boot", "t-shirt", "dress", "coat", "sandal") and len(chosen.setdefault(kind, [])) < 2:
      chosen[kind].append(reference)
  for kind, references in chosen.items():
    for number, reference in enumerate(references):
      scenes.save(reference, folder / kind.replace("t-shirt", "tee_shirt") / f"{number}.{'png' if number else 'JPEG'}")


def refcocog(scenes, folder):
  references, images = [], []
  for number in range(12):
    item = scenes.item("object", 130 + number)
    image = 500000 + number
    name = f"COCO_train2014_{image:012d}.jpg"
    split = "train" if number == 11 else "val"
    scenes.save(item["images"][0], folder / "train2014" / name)
    images.append({"id": image, "file_name": name, "height": 64, "width": 64})
    sentences = [item["texts"][0]] + (["the " + item["texts"][0][2:]] if number == 0 else [])
    references.append({"ref_id": number, "ann_id": number, "category_id": 1, "image_id": image,
      "file_name": f"COCO_train2014_{image:012d}_{number}.jpg", "split": split,
      "sent_ids": [2 * number + n for n in range(len(sentences))],
      "sentences": [{"sent_id": 2 * number + n, "raw": text, "sent": text, "tokens": text.split()}
        for n, text in enumerate(sentences)]})
  (folder / "refs(google).p").write_bytes(pickle.dumps(references, protocol=2))
  (folder / "instances.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
  subprocess.run([sys.executable, ROOT / "Tools" / "datasets" / "refcocog.py", folder], check=True)


def main():
  if len(sys.argv) != 2:
    raise SystemExit(__doc__)
  target = pathlib.Path(sys.argv[1])
  scenes = Scenes()
  for make in (comvg, vqa_other, vqa_binary, winoground, aro, sugarcrepe, vl_checklist, imagefolder, refcocog):
    folder = target / make.__name__.replace("_", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make(scenes, folder)


if __name__ == "__main__":
  main()
