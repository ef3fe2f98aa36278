"""The benchmark's terms and accuracies in PyTorch, apart from our programs; compared with what those wrote.

    dsd eval Graphs/sample/graph.pb --dataset pairs --items Graphs/sample/benchmark/items.jsonl \\
      --limit 100 --samples 8 --variants … --results results.sqlite --json table.json
    python Tools/sample/evaluate.py Graphs/sample/checkpoint Graphs/sample/benchmark/items.jsonl \\
      --limit 100 --results results.sqlite --table table.json

Each row of the table (term, pooling, layers) is computed anew from the checkpoint with diffusers and
transformers: the largest difference of a score, and both accuracies side by side. Exit code 1 when a score
differs by more than 1e-3 or an accuracy differs at all.
"""

import argparse
import json
import pathlib
import sqlite3
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

TOLERANCE = 1e-3


class Reader:
  """Attention that keeps statistics of its scores q·k/√d for every batch element."""

  def __init__(self, name, log):
    self.name, self.log = name, log

  def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
    context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
    split = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
    q, k, v = split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context))
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if encoder_hidden_states is not None:
      self.log[self.name] = (scores, torch.nn.functional.normalize(q, dim=-1) @ torch.nn.functional.normalize(k, dim=-1).mT)
    return attn.to_out[0]((scores.softmax(-1) @ v).transpose(1, 2).flatten(-2))


def pooled(scores, cosines, pooling, where):
  """One value per head: the statistic over the text positions `where`, then the mean over queries."""
  part = scores[..., where]
  if pooling == "logsumexp":
    return part.logsumexp(-1).mean(-1)
  if pooling == "max":
    return part.amax(-1).mean(-1)
  if pooling == "mean":
    return part.mean((-1, -2))
  if pooling == "mass":
    return scores.softmax(-1)[..., where].sum(-1).mean(-1)
  return cosines[..., where].mean((-1, -2))


class Judge:
  def __init__(self, folder):
    part = lambda kind, name: kind.from_pretrained(folder / name).float().eval()
    self.unet, self.vae = part(UNet2DConditionModel, "unet"), part(AutoencoderKL, "vae")
    self.text = part(CLIPTextModel, "text_encoder")
    self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    config = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    self.schedule = DDPMScheduler.from_config(config)
    assert self.schedule.config.prediction_type == "epsilon"
    self.log = {}
    for name, module in self.unet.named_modules():
      if isinstance(module, Attention):
        module.set_processor(Reader(name, self.log))

  def ids(self, texts):
    return self.tokenizer(
      texts, padding="max_length", truncation=True, max_length=self.tokenizer.model_max_length,
      return_tensors="pt").input_ids

  def official(self):
    """Of each part's last block with cross-attention, the last transformer block of every attention module."""
    chosen, unet = [], self.unet
    for part, blocks in (("down_blocks", unet.down_blocks), ("mid_block", None), ("up_blocks", unet.up_blocks)):
      named = [(part, unet.mid_block)] if blocks is None else [(f"{part}.{i}", b) for i, b in enumerate(blocks)]
      name, block = [(n, b) for n, b in named if getattr(b, "has_cross_attention", False)][-1]
      chosen += [
        f"{name}.attentions.{i}.transformer_blocks.{len(m.transformer_blocks) - 1}.attn2"
        for i, m in enumerate(block.attentions)]
    return chosen

  @torch.inference_mode()
  def terms(self, pixels, texts, timesteps, noise, variants):
    """What the model says of an item.

    Returns errors ‖ε − ε̂‖ [images, texts + 1, T], the last column the empty caption's; attention by variant
    [images + 1, texts, T, layers], the last row that of a latent of zeros; the empty caption's attention by
    variant, of the same shape, read at each text's positions; and the layers' names.
    """
    ids = self.ids(texts + [""])
    ends = [int((row == self.tokenizer.eos_token_id).nonzero()[0]) for row in ids]
    states = self.text(ids).last_hidden_state
    z = self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor
    z = torch.cat([z, torch.zeros_like(z[:1])])
    rows, columns, steps = len(z), len(texts) + 1, len(timesteps)
    # The model computes in float32; its numbers are averaged in float64, where near ties are told apart.
    errors = torch.zeros(rows, columns, steps, dtype=torch.float64)
    attention, empty = {}, {}
    for i in range(rows):
      for k, t in enumerate(timesteps):
        noisy = self.schedule.add_noise(z[i:i + 1], noise[k:k + 1], torch.tensor([t]))
        self.log.clear()
        estimate = self.unet(noisy.expand(columns, -1, -1, -1), t, states).sample
        errors[i, :, k] = (estimate - noise[k]).flatten(1).norm(dim=1)
        for variant in variants:
          pooling, positions = variant
          shape = (rows, columns - 1, steps, len(self.log))
          for l, (scores, cosines) in enumerate(self.log.values()):
            for j in range(columns - 1):
              where = slice(1, ends[j]) if positions == "content" else slice(None)
              for into, row in ((attention, j), (empty, columns - 1)):
                into.setdefault(variant, torch.zeros(shape, dtype=torch.float64))[i, j, k, l] = pooled(
                  scores[row], cosines[row], pooling, where).mean()
    return errors[:-1], attention, empty, list(self.log)


def picture(folder, reference, size, opened={}):
  path, _, fragment = reference.partition("#xywh=")
  if path not in opened:
    opened[path] = Image.open(folder / path).convert("RGB")
  image = opened[path]
  if fragment:
    x, y, w, h = map(int, fragment.split(","))
    image = image.crop((x, y, x + w, y + h))
  image = image.resize((size, size), Image.BICUBIC)
  return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1


def questions(item, scores):
  """(direction, right?, tie?) for each question: the right one against every wrong one, strictly above."""
  right = {tuple(pair) for pair in item["right"]}
  images, texts = range(len(item["images"])), range(len(item["texts"]))
  for i, j in item["right"]:
    for direction, others in (
        ("captions", [scores[i][o] for o in texts if (i, o) not in right]),
        ("images", [scores[o][j] for o in images if (o, j) not in right])):
      if others:
        yield direction, scores[i][j] > max(others), scores[i][j] == max(others)


def scores(choice, layers, errors, attention, empty):
  """One row of the table: an item's scores [images, texts], means over timesteps and layers."""
  total = torch.zeros(errors.shape[0], errors.shape[1] - 1, dtype=torch.float64)
  if choice["term"] != "attention":
    total += (errors[:, -1:] - errors[:, :-1]).mean(-1)
  if choice["term"] != "bias":
    variant = (choice["pooling"], choice["positions"])
    a = attention[variant][..., layers].mean((-1, -2))
    if choice["normalize"] == "empty-caption":
      total += (a - empty[variant][..., layers].mean((-1, -2)))[:-1]
    elif choice["normalize"] == "noise":
      total += a[:-1] - a[-1:]
    elif choice["normalize"] == "images":
      total += a[:-1] - a[:-1].mean(0, keepdim=True)
    else:
      total += a[:-1]
  return total


def read_results(path):
  """The last run of a results file of `dsd eval`: its seed, the layers' names, and by item id the terms, the same tensors
  as `Judge.terms` returns."""
  database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
  run, about = database.execute("SELECT id, about FROM runs ORDER BY id DESC").fetchone()
  about = json.loads(about)
  model, layers = database.execute(
    "SELECT id, layers FROM models WHERE graph = ? AND weights = ?", (about["graph"], about["weights"])).fetchone()
  levels = [
    database.execute(
      "SELECT id FROM levels WHERE timestep = ? AND noise = ?", (level["timestep"], level["noise"])).fetchone()[0]
    for level in about["levels"]]
  terms = {}
  for image, caption, level, name, value in database.execute(
      "SELECT i.digest, c.digest, level, q.name, value FROM terms JOIN images i ON i.id = image "
      "JOIN captions c ON c.id = caption JOIN quantities q ON q.id = quantity WHERE model = ?", (model,)):
    terms[image, caption, level, name] = torch.frombuffer(bytearray(value), dtype=torch.float64)

  def grid(images, captions, quantity):
    return torch.stack([
      torch.stack([torch.stack([terms[i, c, level, quantity] for level in levels]) for c in captions])
      for i in images])

  empty, found = about["empty_caption"], {}
  for item, images, captions in database.execute("SELECT item, images, captions FROM items WHERE run = ?", (run,)):
    images, captions = images.split(","), captions.split(",")
    attention, unconditional, pure = {}, {}, {}
    for name in {v.partition("/")[0] for v in about["variants"]}:
      pooling, _, positions = name.partition("@")
      variant = pooling, positions or "all"
      attention[variant] = grid(images, captions, f"attention {name}")
      unconditional[variant] = (
        grid(images, captions, f"empty caption {name}") if positions else grid(images, [empty], f"attention {name}"))
      if ("zeros", captions[0], levels[0], f"attention {name}") in terms:
        pure[variant] = grid(["zeros"], captions, f"attention {name}")
    error = grid(images, captions + [empty], "error")[..., 0]
    found[json.loads(item)["id"]] = error, attention, unconditional, pure
  return {"seed": about["seed"], "layers": json.loads(layers)}, found


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("checkpoint", type=pathlib.Path)
  parser.add_argument("items", type=pathlib.Path)
  parser.add_argument("--table", type=pathlib.Path, required=True, help="what dsd eval --json wrote")
  parser.add_argument("--results", type=pathlib.Path, required=True, help="what dsd eval --results wrote")
  parser.add_argument("--limit", type=int, default=100)
  parser.add_argument("--threads", type=int, default=2)
  options = parser.parse_args()
  torch.set_num_threads(options.threads)

  judge, table = Judge(options.checkpoint), json.loads(options.table.read_text())
  header, theirs = read_results(options.results)
  choices, timesteps = table["table"]["choices"], table["timesteps"]
  variants = sorted({(c["pooling"], c["positions"]) for c in choices if c["term"] != "bias"})
  official = [name for name in judge.official()]
  if table["layers"].get("official", official) != official:
    sys.exit(f"official layers differ: {table['layers']['official']} and {official}")
  torch.manual_seed(header["seed"])
  size = judge.unet.config.sample_size
  noise = torch.randn(len(timesteps), judge.unet.config.in_channels, size, size)

  seen, tally, worst = {}, {}, [0.0] * len(choices)
  for line in options.items.read_text().splitlines():
    item = json.loads(line)
    seen[item["task"]] = seen.get(item["task"], 0) + 1
    if seen[item["task"]] > options.limit:
      continue
    scale = 2 ** (len(judge.vae.config.block_out_channels) - 1)
    pixels = torch.stack([picture(options.items.parent, i, size * scale) for i in item["images"]])
    *ours, names = judge.terms(pixels, item["texts"], timesteps, noise, variants)
    error, attention, empty, pure = theirs[item["id"]]
    attention = {
      v: torch.cat([a, pure[v] if v in pure else torch.full_like(a[:1], float("nan"))])
      for v, a in attention.items()}
    empty = {v: torch.cat([e, e[:1]]).expand(attention[v].shape) for v, e in empty.items()}
    for n, choice in enumerate(choices):
      if choice.get("normalize") == "images" and len(item["images"]) < 2:
        continue
      layers = [names.index(name) for name in table["layers"][choice["layers"]]] if "layers" in choice else []
      places = [header["layers"].index(names[l]) for l in layers]
      mine, other = scores(choice, layers, *ours), scores(choice, places, error, attention, empty)
      worst[n] = max(worst[n], float((mine - other).abs().max()))
      key = (item["task"], item.get("held_out", False))
      for direction, is_right, _ in questions(item, mine.tolist()):
        tally.setdefault((*key, direction, n), []).append(is_right)
    done = sum(min(n, options.limit) for n in seen.values())
    if sys.stderr.isatty() or done % 50 == 0:
      print(f"{done} items", file=sys.stderr, flush=True)

  wrong = 0
  for group in table["table"]["groups"]:
    for section in group["directions"]:
      short = "captions" if section["direction"].startswith("captions") else "images"
      for n, (choice, result) in enumerate(zip(choices, section["results"])):
        asked = tally.get((group["task"], group["held_out"], short, n))
        if result is None or not asked:
          continue
        mine, other = sum(asked) / len(asked), result["accuracy"]["value"]
        same = abs(mine - other) < 1e-9
        wrong += not same
        label = " ".join(str(choice[k]) for k in ("term", "pooling", "positions", "normalize", "layers") if k in choice)
        print(
          f"{group['task']:9} {'held out' if group['held_out'] else '':8} {short:8} {label:44} "
          f"torch {mine:.4f} dsd {other:.4f}{'' if same else '  DIFFERENT'}")
  print(f"\nlargest difference of a score: {max(worst):.2e} (may be {TOLERANCE:.0e})")
  print(f"accuracies that differ: {wrong}")
  sys.exit(wrong > 0 or max(worst) > TOLERANCE)


if __name__ == "__main__":
  main()
