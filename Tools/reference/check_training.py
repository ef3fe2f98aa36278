"""Trains the head layer-weights with torch on what our programs cached, and compares losses step by step.

    python check_training.py --bin ../../.build/release GRAPH ITEMS

runs `dsd train` on the items, then the same steps with torch's autograd, AdamW, clipping and schedule. It fails on a
relative difference above 1e-4 in any step's loss, or above 1e-4 of the peak in a learned tensor.
"""

import argparse
import json
import pathlib
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
    subprocess.run(
        [arguments.bin / "dsd", "train", arguments.graph, "--items", arguments.items, "--method",
         "head:layer-weights", "-o", folder / "head.pb", "--cache", folder / "cache.jsonl", "--log",
         folder / "log.jsonl", "--steps", str(STEPS), "--batch", str(BATCH), "--lr", str(RATE), "--schedule",
         "cosine", "--warmup", str(WARMUP), "--margin", str(MARGIN), "--loss", arguments.loss, "--samples", "2",
         "--run-seed", "5"], check=True)
    lines = [json.loads(line) for line in (folder / "cache.jsonl").read_text().splitlines()]
    terms = {line["id"]: line for line in lines[1:]}
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    rows = list(examples(json.loads(line) for line in arguments.items.read_text().splitlines()))

    layers, timesteps = len(lines[0]["layers"]), len(lines[0]["timesteps"])
    weight = torch.nn.Parameter(torch.ones(timesteps, layers))
    bias_weight = torch.nn.Parameter(torch.ones(timesteps))
    optimizer = torch.optim.AdamW([weight, bias_weight], lr=RATE, weight_decay=0.01, foreach=False)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)

    def score(identifier, image, text):
        line = terms[identifier]
        attention = torch.tensor(line["attention"]["logsumexp"][image][text], dtype=torch.float32)
        error = line["error"][image]
        bias = torch.tensor(
            [error[-1][t] - error[text][t] for t in range(timesteps)], dtype=torch.float32)
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
