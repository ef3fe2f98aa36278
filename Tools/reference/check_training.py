"""Trains the head layer-weights with torch on what our programs cached, and compares losses step by step.

    python check_training.py --bin ../../.build/release GRAPH ITEMS

runs `dsd train` on the items, then the same steps with torch's autograd, AdamW, clipping and schedule. It fails on a
relative difference above 1e-4 in any step's loss, or above 1e-4 of the peak in a learned tensor.
"""

import argparse
import json
import pathlib
import sqlite3
import subprocess
import tempfile

import numpy
import onnx
import torch
from onnx import numpy_helper
from transformers import get_cosine_schedule_with_warmup

MASK = (1 << 64) - 1
STEPS, BATCH, RATE, WARMUP, MARGIN = 30, 8, 0.02, 4, 0.5


class SplitMix64:
    """The generator behind the order of examples (Sources/Discriminative/Training/StepDraw.swift)."""

    ORDER = 2

    def __init__(self, seed, *places):
        self.state = seed
        for number in (self.ORDER, *places):
            self.state = self.next() ^ number

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def order(self, count):
        result = list(range(count))
        for place in range(count - 1, 0, -1):
            other = (self.next() * (place + 1)) >> 64
            result[place], result[other] = result[other], result[place]
        return result


def examples(items):
    """Every question: the item's id, and pairs with the right one first."""
    for item in items:
        if item.get("held_out"):
            continue
        right = [tuple(pair) for pair in item["right"]]
        for direction in range(2):
            for image, text in right:
                others = (
                    [(image, t) for t in range(len(item["texts"]))] if direction == 0
                    else [(i, text) for i in range(len(item["images"]))])
                wrong = [pair for pair in others if pair not in right]
                if wrong:
                    yield item["id"], [(image, text)] + wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("graph")
    parser.add_argument("items", type=pathlib.Path)
    parser.add_argument("--loss", choices=["hinge", "cross-entropy"], default="hinge")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    cache, common = folder / "cache.sqlite", ["--samples", "2"]
    # Tells which image and caption of an item is which in the cache.
    subprocess.run(
        [arguments.bin / "dsd", "eval", arguments.graph, "--items", arguments.items, "--results", cache, "--variants",
         "logsumexp", "--layers", "all", *common], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [arguments.bin / "dsd", "train", arguments.graph, "--items", arguments.items, "--method",
         "head:layer-weights", "-o", folder / "head.pb", "--cache", cache, "--log",
         folder / "log.jsonl", "--steps", str(STEPS), "--batch", str(BATCH), "--lr", str(RATE), "--schedule",
         "cosine", "--warmup", str(WARMUP), "--margin", str(MARGIN), "--loss", arguments.loss, *common,
         "--run-seed", "5"], check=True)
    database = sqlite3.connect(cache)
    about = json.loads(database.execute("SELECT about FROM runs").fetchone()[0])
    items = {
        json.loads(item)["id"]: (images.split(","), captions.split(","))
        for item, images, captions in database.execute("SELECT item, images, captions FROM items")}
    terms = {
        (*key, name): torch.frombuffer(bytearray(value), dtype=torch.float64) for *key, name, value in database.execute(
            "SELECT i.digest, c.digest, l.timestep, q.name, value FROM terms JOIN images i ON i.id = image "
            "JOIN captions c ON c.id = caption JOIN levels l ON l.id = level JOIN quantities q ON q.id = quantity")}
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    rows = list(examples(json.loads(line) for line in arguments.items.read_text().splitlines()))

    steps = [level["timestep"] for level in about["levels"]]
    layers = len(json.loads(database.execute("SELECT layers FROM models").fetchone()[0]))
    timesteps = len(steps)
    weight = torch.nn.Parameter(torch.ones(timesteps, layers))
    bias_weight = torch.nn.Parameter(torch.ones(timesteps))
    optimizer = torch.optim.AdamW([weight, bias_weight], lr=RATE, weight_decay=0.01, foreach=False)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)

    def score(identifier, image, text):
        images, captions = items[identifier]
        kept = lambda caption, name: torch.stack([terms[images[image], caption, t, name] for t in steps]).float()
        attention = kept(captions[text], "attention logsumexp")
        bias = (kept(about["empty_caption"], "error") - kept(captions[text], "error"))[:, 0]
        return ((attention * weight).mean(1) + bias * bias_weight).mean()

    orders, worst = {}, 0.0
    for step in range(STEPS):
        losses = []
        for number in range(step * BATCH, (step + 1) * BATCH):
            epoch, place = divmod(number, len(rows))
            if epoch not in orders:
                orders[epoch] = SplitMix64(5, epoch).order(len(rows))
            identifier, pairs = rows[orders[epoch][place]]
            scores = torch.stack([score(identifier, *pair) for pair in pairs])
            if arguments.loss == "hinge":
                losses.append(torch.relu(MARGIN + scores[1:].max() - scores[0]))
            else:
                losses.append(torch.nn.functional.cross_entropy(scores[None], torch.tensor([0])))
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([weight, bias_weight], 1.0).item()
        optimizer.step()
        schedule.step()
        ours = log[step]
        difference = abs(ours["loss"] - loss.item()) / max(abs(loss.item()), 1e-6)
        worst = max(worst, difference)
        print(f"step {step + 1}: {ours['loss']:.6f} {loss.item():.6f} norm {ours['gradient_norm']:.6f} {norm:.6f}")
    print(f"largest relative difference of a loss: {worst:.2e}")
    learned = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(folder / "head.pb")).graph.initializer}
    for name, tensor in (("weight", weight), ("bias_weight", bias_weight)):
        expected = tensor.detach().numpy()
        away = numpy.abs(learned[name] - expected).max() / numpy.abs(expected).max()
        print(f"{name}: {away:.2e} of the peak away")
        worst = max(worst, away)
    raise SystemExit(worst > 1e-4)


if __name__ == "__main__":
    main()
