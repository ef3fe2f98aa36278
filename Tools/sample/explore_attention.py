"""Which readings of cross-attention tell right from wrong captions? Chosen on training scenes.

    python Tools/sample/make_benchmark.py WORK/choice --split train --items 100 --seed 77
    python Tools/sample/explore_attention.py Graphs/sample/checkpoint WORK/choice/benchmark/items.jsonl

Every reading is a pooling over text positions (all of them or the caption's own tokens), relative to nothing, to
the empty caption, to pure noise or to the item's other image, over all layers, the official ones, one layer or one
head of one layer. Printed are the best of each kind by mean accuracy over the 2-way tasks, and the accuracy of
`clothing`. Readings chosen here are then measured on the test scenes by `dsd eval --variants … --layers …`.
"""

import argparse
import itertools
import json
import pathlib

import torch

import evaluate

POOLINGS = ["logsumexp", "max", "mean", "mass", "cosine"]
READINGS = [(p, where) for p in POOLINGS for where in ("all", "content") if (p, where) != ("mass", "all")]
NORMALIZATIONS = ["none", "empty-caption", "noise", "images"]


@torch.inference_mode()
def attention(judge, pixels, texts, timesteps, noise):
  """Attention and the empty caption's at the same positions, [reading, images + 1, texts, layer, head]."""
  ids = judge.ids(texts + [""])
  ends = [int((row == judge.tokenizer.eos_token_id).nonzero()[0]) for row in ids]
  states = judge.text(ids).last_hidden_state
  z = judge.vae.encode(pixels).latent_dist.mean * judge.vae.config.scaling_factor
  z = torch.cat([z, torch.zeros_like(z[:1])])
  own = empty = None
  for i, (k, t) in itertools.product(range(len(z)), enumerate(timesteps)):
    noisy = judge.schedule.add_noise(z[i:i + 1], noise[k:k + 1], torch.tensor([t]))
    judge.log.clear()
    judge.unet(noisy.expand(len(ids), -1, -1, -1), t, states)
    for l, (scores, cosines) in enumerate(judge.log.values()):
      if own is None:
        shape = (len(READINGS), len(z), len(texts), len(judge.log), scores.shape[1])
        own, empty = torch.zeros(shape), torch.zeros(shape)
      for r, (pooling, where) in enumerate(READINGS):
        for j, end in enumerate(ends[:-1]):
          part = slice(1, end) if where == "content" else slice(None)
          own[r, i, j, l] += evaluate.pooled(scores[j], cosines[j], pooling, part)
          empty[r, i, j, l] += evaluate.pooled(scores[-1], cosines[-1], pooling, part)
  return own / len(timesteps), empty / len(timesteps)


def normalized(own, empty, kind):
  """[reading, images, texts, layer, head]"""
  a = own[:, :-1]
  return {
    "none": lambda: a, "empty-caption": lambda: a - empty[:, :-1], "noise": lambda: a - own[:, -1:],
    "images": lambda: a - a.mean(1, keepdim=True)}[kind]()


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("items", type=pathlib.Path)
  parser.add_argument("--limit", type=int, default=100)
  parser.add_argument("--best", type=int, default=12)
  options = parser.parse_args()
  torch.set_num_threads(2)
  judge = evaluate.Judge(options.checkpoint)
  timesteps = [62 + 125 * k for k in range(8)]
  torch.manual_seed(0)
  size = judge.unet.config.sample_size
  noise = torch.randn(len(timesteps), 4, size, size)
  right, asked, seen, names = {}, {}, {}, None
  for line in options.items.read_text().splitlines():
    item = json.loads(line)
    task = item["task"]
    seen[task] = seen.get(task, 0) + 1
    if seen[task] > options.limit:
      continue
    pixels = torch.stack([evaluate.picture(options.items.parent, i, 4 * size) for i in item["images"]])
    own, empty = attention(judge, pixels, item["texts"], timesteps, noise)
    names = list(judge.log)
    official = [names.index(n) for n in judge.official()]
    for kind in NORMALIZATIONS:
      if kind == "images" and len(item["images"]) < 2:
        continue
      a = normalized(own, empty, kind)  # [reading, image, text, layer, head]
      heads = a.flatten(3)
      groups = torch.cat(
        [a.mean((3, 4))[..., None], a[..., official, :].mean((3, 4))[..., None], a.mean(4), heads], -1)
      for i, j in item["right"]:
        for direction, others in (
            ("captions", [(i, o) for o in range(groups.shape[2]) if [i, o] not in item["right"]]),
            ("images", [(o, j) for o in range(groups.shape[1]) if [o, j] not in item["right"]])):
          if not others:
            continue
          best = torch.stack([groups[:, x, y] for x, y in others]).amax(0)
          key = (task, direction, kind)
          right[key] = right.get(key, 0) + (groups[:, i, j] > best).float()
          asked[key] = asked.get(key, 0) + 1
  count = own.shape[-1]
  labels = ["all layers", "official layers", *names, *[f"{n} head {h}" for n in names for h in range(count)]]
  for direction in ("captions", "images"):
    for low, high, what in ((0, 2, "sets of layers"), (2, 2 + len(names), "one layer"), (2 + len(names), None, "one head")):
      rows = []
      for kind in NORMALIZATIONS:
        tables = {t: right[t, direction, kind] / asked[t, direction, kind] for t in seen if (t, direction, kind) in right}
        two = torch.stack([v for t, v in tables.items() if t != "clothing"]).mean(0)
        for r, g in itertools.product(range(len(READINGS)), range(len(labels))[low:high]):
          rows.append((float(two[r, g]), READINGS[r], kind, labels[g], {t: float(v[r, g]) for t, v in tables.items()}))
      rows.sort(key=lambda row: -row[0])
      print(f"\n{direction}, {what}: mean of the 2-way tasks, reading, relative to, layers, by task")
      for mean, reading, kind, label, tasks in rows[:options.best]:
        print(f"{mean:.3f}  {reading[0]:9} {reading[1]:7} {kind:13} {label:60} " +
          "  ".join(f"{t} {v:.2f}" for t, v in tasks.items()))


if __name__ == "__main__":
  main()
