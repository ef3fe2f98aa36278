#!/usr/bin/env python3
"""Compares adapters with torch, diffusers and peft on small random checkpoints.

    check_adapters.py --bin .build/release [--kind sd15] [--seed 0]

Prompt tokens and key and value tokens of `dsd adapter` are put into torch's models by hand. LoRA goes
both ways: our file through diffusers' loader, and files of diffusers, peft and kohya's scripts through
`--adapter`. Compared are the scores, with torch in float64, and the UNet's output for one latent, relative to
the peak. Exit code 1 when anything differs by more than the tolerance.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.models.attention_processor import Attention
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

import make_checkpoints
import make_references

TOLERANCE = 1e-4
TIMESTEP = 500
CAPTIONS = make_references.CAPTIONS[:2] + ["a blue bird and " * 40]


class PromptModel(make_references.Model):
  """Learned vectors behind the start token; captions moved right, with the end token kept."""

  def __init__(self, folder, file):
    super().__init__(folder)
    learned = load_file(file)
    self.vectors = [learned[f"{n}.prompt_tokens"] for n in ("text_encoder", "text_encoder_2")[:len(self.encoders)]]
    for encoder, vectors in zip(self.encoders, self.vectors):
      text_model = getattr(encoder, "text_model", encoder)
      text_model.embeddings.token_embedding.register_forward_hook(self.filling(vectors))

  @staticmethod
  def filling(vectors):
    def hook(module, inputs, output):
      return torch.cat([output[:, :1], vectors.expand(len(output), -1, -1), output[:, 1 + len(vectors):]], 1)
    return hook

  def tokens(self, text):
    rows = []
    for ids, tokenizer, vectors in zip(super().tokens(text), self.tokenizers, self.vectors):
      ids = ids[0].tolist()
      moved = (ids[:1] + [ids[0]] * len(vectors) + ids[1:])[:len(ids)]
      if tokenizer.eos_token_id not in moved:
        moved[-1] = tokenizer.eos_token_id
      rows.append(torch.tensor([moved]))
    return rows


class KeyValueProcessor(make_references.RecordingProcessor):
  """Recording attention with learned keys and values behind the text's."""

  def __init__(self, name, log, keys, values):
    super().__init__(name, log)
    self.keys, self.values = keys, values

  def __call__(self, attn, hidden_states, encoder_hidden_states=None, **others):
    hooks = [layer.register_forward_hook(lambda m, i, o, t=t: torch.cat([o, t.expand(len(o), -1, -1)], 1))
      for layer, t in ((attn.to_k, self.keys), (attn.to_v, self.values))]
    try:
      return super().__call__(attn, hidden_states, encoder_hidden_states, **others)
    finally:
      for hook in hooks:
        hook.remove()


def key_value_model(folder, file):
  model, learned = make_references.Model(folder), load_file(file)
  for name, module in model.unet.named_modules():
    if isinstance(module, Attention) and f"unet.{name}.key_tokens" in learned:
      module.set_processor(KeyValueProcessor(
        name, model.lse, learned[f"unet.{name}.key_tokens"], learned[f"unet.{name}.value_tokens"]))
  return model


class Check:
  def __init__(self, kind, seed, bin, work):
    self.kind, self.seed, self.bin, self.work = kind, seed, bin, work
    self.folder = make_checkpoints.make(kind, work / "checkpoint", seed)
    self.graph = self.folder / "graph.pb"
    self.run("dsd", "import", self.folder)
    self.images = make_references.make_images(work, seed)
    self.failures = 0
    self.pipeline = StableDiffusionXLPipeline if kind == "sdxl" else StableDiffusionPipeline

  def run(self, program, *arguments):
    command = [str(a) for a in (self.bin / program, *arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
      raise RuntimeError(f"{' '.join(command)}\nexit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout

  def tell(self, title, numbers):
    good = all(v <= TOLERANCE for v in numbers.values())
    self.failures += not good
    print(f"{self.kind:9} {title:46} " + "  ".join(f"{k} {v:.1e}" for k, v in numbers.items()) + ("" if good else "  DIFFERS"))

  @staticmethod
  def relative(ours, theirs):
    a, b = numpy.asarray(ours, numpy.float64), numpy.asarray(theirs, numpy.float64)
    return float(abs(a - b).max() / abs(b).max()) if a.shape == b.shape else float("inf")

  def scores(self, title, model, *adapters):
    """Scores of captions, one of them longer than the encoder."""
    timesteps = [20, TIMESTEP]
    # A bias is a small difference of errors: of torch's own, float32 leaves up to 1e-4 of it uncertain.
    parts = (model.unet, model.vae, *model.encoders)
    for part in parts:
      part.double()
    _, noise, expected = make_references.compute(self.folder, self.images, CAPTIONS, timesteps, self.seed, model=model)
    for part in parts:
      part.float()
    numpy.save(self.work / "noise.npy", noise.float().numpy())
    command = [self.graph, "--hook", "attn-score", "--timesteps", ",".join(map(str, timesteps)), "--json",
      "--noise", self.work / "noise.npy"]
    for adapter in adapters:
      command += ["--adapter", adapter]
    for image in self.images:
      command += ["--image", image]
    for caption in CAPTIONS:
      command += ["--text", caption]
    ours = json.loads(self.run("dsd-run", *command))
    self.tell(title, {k: self.relative(ours["per_timestep"][k], expected["scores"]["per_timestep"][k]) for k in ("attention", "bias")})

  @torch.no_grad()
  def outputs(self, title, model, *adapters):
    """The UNet's output for one latent and the model's own encoding of a caption."""
    torch.manual_seed(self.seed)
    edge = model.unet.config.sample_size
    latent = torch.randn(1, model.unet.config.in_channels, edge, edge)
    states, pooled = model.embed(CAPTIONS[0])
    expected, _ = model.predict(latent, TIMESTEP, states, pooled)
    values = {"noisy_latent": latent, "encoder_hidden_states": states, "timestep": torch.tensor([TIMESTEP])}
    if pooled is not None:
      size = model.size
      values |= {"pooled_text": pooled, "time_ids": torch.tensor([[size, size, 0, 0, size, size]]).float()}
    command = [self.graph, "--output", f"noise_pred={self.work / 'output.npy'}"]
    for name, value in values.items():
      numpy.save(self.work / f"{name}.npy", value.numpy())
      command += ["--input", f"{name}={self.work / name}.npy"]
    for adapter in adapters:
      command += ["--adapter", adapter]
    self.run("dsd-run", *command)
    self.tell(title, {"unet": self.relative(numpy.load(self.work / "output.npy"), expected.numpy())})

  def adapter(self, spec, name, *options):
    path = self.work / name
    self.run("dsd", "adapter", self.graph, spec, "-o", path, "--seed", self.seed + 1, *options)
    return path

  def check_tokens(self):
    for count in (1, 8):
      file = self.adapter(f"prompt-tokens:{count}", "prompt.safetensors", "--deviation", 0.5)
      self.scores(f"prompt tokens, {count}", PromptModel(self.folder, file), file)
    file = self.adapter("prompt-tokens:8", "words.safetensors", "--words", "a photo of")
    self.scores("prompt tokens from words", PromptModel(self.folder, file), file)
    model = make_references.Model(self.folder)
    for name, encoder, tokenizer in zip(("text_encoder", "text_encoder_2"), model.encoders, model.tokenizers):
      ids = tokenizer("a photo of", add_special_tokens=False).input_ids
      rows = encoder.get_input_embeddings().weight[ids].detach()
      self.tell(f"words of {name}", {"rows": self.relative(load_file(file)[f"{name}.prompt_tokens"][:len(ids)], rows)})
    file = self.adapter("kv-tokens:4", "kv.safetensors", "--deviation", 0.5)
    self.scores("key and value tokens", key_value_model(self.folder, file), file)
    self.outputs("key and value tokens", key_value_model(self.folder, file), file)

  def check_ours(self):
    """Files of ours through diffusers' loader."""
    for spec in ("lora:4", "lora:2,alpha=5,targets=q+v,layers=both", "lora:3,alpha=1,targets=out,layers=self"):
      file = self.adapter(spec, "ours.safetensors", "--deviation", 0.2)
      model = make_references.Model(self.folder)
      state, alphas, metadata = self.pipeline.lora_state_dict(str(file), unet_config=model.unet.config, return_lora_metadata=True)
      self.pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=model.unet, metadata=metadata)
      self.outputs(f"ours in diffusers, {spec}", model, file)
      self.scores(f"ours in diffusers, {spec}", model, file)

  def check_trained(self):
    """A LoRA that `dsd train` has learned, through diffusers' loader."""
    (self.work / "items.jsonl").write_text(json.dumps({
      "id": "1", "task": "t", "images": [pathlib.Path(i).name for i in self.images], "texts": CAPTIONS[:2],
      "right": [[0, 0], [1, 1]]}) + "\n")
    file = self.work / "trained.safetensors"
    self.run("dsd", "train", self.graph, "--items", self.work / "items.jsonl", "--method", "lora:4,layers=both", "--steps",
      10, "--batch", 2, "--lr", 0.05, "--margin", 5, "-o", file)
    model = make_references.Model(self.folder)
    state, alphas, metadata = self.pipeline.lora_state_dict(str(file), unet_config=model.unet.config, return_lora_metadata=True)
    self.pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=model.unet, metadata=metadata)
    moved = max(float(abs(v).max()) for k, v in load_file(file).items() if "lora_B" in k)
    self.outputs(f"ours, trained (B up to {moved:.2f})", model, file)
    self.scores("ours, trained", model, file)

  def trained(self, model, **settings):
    """The UNet with a LoRA of peft whose factors are random."""
    torch.manual_seed(self.seed + 2)
    config = LoraConfig(**settings)
    model.unet.add_adapter(config)
    with torch.no_grad():
      for name, value in model.unet.named_parameters():
        if "lora_" in name:
          value.normal_(0, 0.2)
    return get_peft_model_state_dict(model.unet), config

  def check_theirs(self):
    """Files of others through --adapter."""
    attention = ["to_q", "to_k", "to_v", "to_out.0"]
    linear = attention + ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
    folder = self.work / "theirs"
    for targets, title in ((attention, "attention"), (linear, "all linear layers")):
      model = make_references.Model(self.folder)
      state, config = self.trained(model, r=3, lora_alpha=6, target_modules=targets, alpha_pattern={"attn2.to_q": 9})
      settings = {k: v for k, v in config.to_dict().items() if v is not None}
      settings = {k: list(v) if isinstance(v, set) else v for k, v in settings.items()}
      self.pipeline.save_lora_weights(folder, unet_lora_layers=convert_state_dict_to_diffusers(state),
        unet_lora_adapter_metadata=settings, weight_name="diffusers.safetensors")
      self.outputs(f"diffusers' file, {title}", model, folder / "diffusers.safetensors")
      if targets is attention:
        self.scores(f"diffusers' file, {title}", model, folder / "diffusers.safetensors")

    model = make_references.Model(self.folder)
    state, _ = self.trained(model, r=4, lora_alpha=4, target_modules=attention)
    self.pipeline.save_lora_weights(folder, unet_lora_layers=convert_state_dict_to_diffusers(state), weight_name="plain.safetensors")
    self.outputs("diffusers' file without alpha", model, folder / "plain.safetensors")
    old = {}
    for key, value in state.items():
      name, part = key.removesuffix(".weight").rsplit(".", 1)
      module, _, layer = name.replace("to_out.0", "to_out").rpartition(".")
      old[f"unet.{module}.processor.{layer}_lora.{'down' if part == 'lora_A' else 'up'}.weight"] = value.contiguous()
    save_file(old, folder / "processors.safetensors")
    self.outputs("old attention processors", model, folder / "processors.safetensors")

    model = make_references.Model(self.folder)
    state, _ = self.trained(model, r=4, lora_alpha=2, target_modules=linear)
    kohya = convert_state_dict_to_kohya({f"unet.{k}": v for k, v in state.items()})
    for key in [k for k in kohya if k.endswith(".alpha")]:
      kohya[key] = torch.tensor(2.0)
    save_file({k: v.contiguous() for k, v in kohya.items()}, folder / "kohya.safetensors")
    self.outputs("kohya's names", model, folder / "kohya.safetensors")

    model = make_references.Model(self.folder)
    torch.manual_seed(self.seed + 3)
    wrapped = get_peft_model(model.unet, LoraConfig(
      r=2, lora_alpha=3, use_rslora=True, target_modules=["attn2.to_k", "attn2.to_v"], init_lora_weights=False))
    wrapped.save_pretrained(folder / "peft")
    self.outputs("peft's own file, rank-stabilised", model, folder / "peft" / "adapter_model.safetensors")

  def check_together(self):
    """Prompt tokens and LoRA at once."""
    prompt = self.adapter("prompt-tokens:3", "prompt.safetensors", "--deviation", 0.5)
    lora = self.adapter("lora:4", "ours.safetensors", "--deviation", 0.2)
    model = PromptModel(self.folder, prompt)
    state, alphas, metadata = self.pipeline.lora_state_dict(str(lora), unet_config=model.unet.config, return_lora_metadata=True)
    self.pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=model.unet, metadata=metadata)
    self.scores("prompt tokens and LoRA", model, lora, prompt)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd and dsd-run")
  parser.add_argument("--kind", choices=make_checkpoints.KINDS, action="append")
  parser.add_argument("--seed", type=int, default=0)
  args = parser.parse_args()
  torch.set_num_threads(1)
  transformers.utils.logging.disable_progress_bar()
  failures = 0
  for kind in args.kind or make_checkpoints.KINDS:
    with tempfile.TemporaryDirectory() as work:
      check = Check(kind, args.seed, args.bin.resolve(), pathlib.Path(work))
      for part in (check.check_tokens, check.check_ours, check.check_trained, check.check_theirs, check.check_together):
        try:
          part()
        except RuntimeError as error:
          failures += 1
          print(f"{kind:9} {part.__name__} FAILED\n{error}")
      failures += check.failures
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
