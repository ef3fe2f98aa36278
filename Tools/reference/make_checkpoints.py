#!/usr/bin/env python3
"""Makes small random checkpoints in diffusers' folder layout.

    make_checkpoints.py OUT [--kind sd15] [--seed 0] [--variant fp16] [--shard KIB] [--hub-cache] ...

OUT receives one folder per kind. The weights mean nothing; the configurations exercise what the
published checkpoints of each family exercise.
"""

import argparse
import copy
import hashlib
import json
import pathlib
import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import small_tokenizer

KINDS = ("sd15", "sd21base", "sd21v", "sdxl")
DOWN, CROSS_DOWN = "DownBlock2D", "CrossAttnDownBlock2D"
UP, CROSS_UP = "UpBlock2D", "CrossAttnUpBlock2D"

UNET = {
  "_class_name": "UNet2DConditionModel", "act_fn": "silu", "center_input_sample": False,
  "down_block_types": [CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN],
  "up_block_types": [UP, CROSS_UP, CROSS_UP, CROSS_UP],
  "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4,
  "layers_per_block": 1, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "out_channels": 4,
  "sample_size": 8}
SD2 = {
  "dual_cross_attention": False, "num_class_embeds": None, "only_cross_attention": False,
  "use_linear_projection": True}
UNETS = {
  "sd15": UNET | {
    "_diffusers_version": "0.6.0", "attention_head_dim": 4, "block_out_channels": [16, 16, 32, 32],
    "cross_attention_dim": 32, "norm_num_groups": 8},
  "sd21base": UNET | SD2 | {
    "_diffusers_version": "0.10.0.dev0", "attention_head_dim": [2, 4, 4, 4],
    "block_out_channels": [8, 16, 24, 24], "cross_attention_dim": 48, "norm_num_groups": 8},
  "sd21v": UNET | SD2 | {
    "_diffusers_version": "0.10.0.dev0", "attention_head_dim": [1, 2, 4, 4],
    "block_out_channels": [8, 16, 16, 16], "cross_attention_dim": 48, "layers_per_block": 2,
    "norm_num_groups": 4, "resnet_time_scale_shift": "default", "upcast_attention": True},
  "sdxl": UNET | {
    "_diffusers_version": "0.19.0.dev0", "addition_embed_type": "text_time",
    "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4, 4], "attention_type": "default",
    "block_out_channels": [8, 16, 24], "class_embed_type": None,
    "class_embeddings_concat": False, "conv_in_kernel": 3, "conv_out_kernel": 3,
    "cross_attention_dim": 64, "cross_attention_norm": None,
    "down_block_types": [DOWN, CROSS_DOWN, CROSS_DOWN], "dual_cross_attention": False,
    "encoder_hid_dim": None, "encoder_hid_dim_type": None, "mid_block_only_cross_attention": None,
    "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_num_groups": 4, "num_attention_heads": None,
    "num_class_embeds": None, "only_cross_attention": False,
    "projection_class_embeddings_input_dim": 24 + 6 * 8, "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False, "resnet_time_scale_shift": "default", "time_cond_proj_dim": None,
    "time_embedding_act_fn": None, "time_embedding_dim": None, "time_embedding_type": "positional",
    "timestep_post_act": None, "transformer_layers_per_block": [1, 2, 3],
    "up_block_types": [CROSS_UP, CROSS_UP, UP], "upcast_attention": None,
    "use_linear_projection": True},
}

VAE = {
  "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [8, 8, 16, 16],
  "down_block_types": ["DownEncoderBlock2D"] * 4, "in_channels": 3, "latent_channels": 4,
  "layers_per_block": 1, "norm_num_groups": 4, "out_channels": 3, "sample_size": 64,
  "up_block_types": ["UpDecoderBlock2D"] * 4}
VAES = {  # The oldest file has no scaling factor: 0.18215 is then understood.
  "sd15": VAE | {"_diffusers_version": "0.6.0"},
  "sd21base": VAE | {"_diffusers_version": "0.10.0.dev0"},
  "sd21v": VAE | {"_diffusers_version": "0.10.0.dev0", "scaling_factor": 0.18215},
  "sdxl": VAE | {"_diffusers_version": "0.20.0.dev0", "force_upcast": True, "scaling_factor": 0.13025},
}

TEXT = {
  "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0,
  "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 32, "initializer_factor": 1.0,
  "initializer_range": 0.02, "intermediate_size": 64, "layer_norm_eps": 1e-05,
  "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 4,
  "num_hidden_layers": 2, "pad_token_id": 1, "projection_dim": 32, "torch_dtype": "float32",
  "transformers_version": "4.25.0.dev0"}
TEXT2 = {"hidden_act": "gelu", "hidden_size": 48, "intermediate_size": 96, "num_attention_heads": 3,
  "projection_dim": 24}
TEXTS = {
  "sd15": {"text_encoder": TEXT},
  "sd21base": {"text_encoder": TEXT | TEXT2},
  "sd21v": {"text_encoder": TEXT | TEXT2 | {"num_hidden_layers": 3}},
  "sdxl": {
    "text_encoder": TEXT | {"num_hidden_layers": 3},
    "text_encoder_2": TEXT | {
      "architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu", "num_attention_heads": 2,
      "projection_dim": 24}},
}

SCHEDULE = {
  "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
  "num_train_timesteps": 1000, "trained_betas": None}
PNDM = SCHEDULE | {
  "_class_name": "PNDMScheduler", "clip_sample": False, "set_alpha_to_one": False,
  "skip_prk_steps": True, "steps_offset": 1}
SCHEDULERS = {
  "sd15": PNDM | {"_diffusers_version": "0.6.0"},
  "sd21base": PNDM | {"_diffusers_version": "0.10.0.dev0", "prediction_type": "epsilon"},
  "sd21v": SCHEDULE | {
    "_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0", "clip_sample": False,
    "prediction_type": "v_prediction", "set_alpha_to_one": False, "skip_prk_steps": True,
    "steps_offset": 1},
  "sdxl": SCHEDULE | {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0",
    "clip_sample": False, "interpolation_type": "linear", "prediction_type": "epsilon",
    "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
    "timestep_spacing": "leading", "use_karras_sigmas": False},
}

OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def randomise(model, seed):
  """Weights under which every part of the model matters and activations stay near one."""
  generator = torch.Generator().manual_seed(seed)
  with torch.no_grad():
    for name, p in sorted(model.named_parameters()):
      noise = torch.randn(p.shape, generator=generator)
      if "position_embedding" in name:
        p.copy_(0.3 * noise)
      elif "token_embedding" in name:
        p.copy_(noise)
      elif p.ndim == 1:
        p.copy_(1 + 0.3 * noise if name.endswith("weight") else 0.2 * noise)
      else:
        sharp = name.endswith(("to_q.weight", "to_k.weight", "q_proj.weight", "k_proj.weight"))
        p.copy_(noise * (1.5 if sharp else 1.0) / p[0].numel() ** 0.5)
  return model


def text_weights(model, kind):
  """Tensors under the names of published checkpoints, which begin with `text_model.`."""
  tensors = {}
  for name, tensor in model.state_dict().items():
    if not name.startswith(("text_model.", "text_projection.")):
      name = "text_model." + name
    tensors[name] = tensor
  if kind == "sd15":  # The oldest files hold this buffer too.
    tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
  return tensors


def vae_weights(model, old_names):
  tensors = dict(model.state_dict())
  if old_names:
    for name in list(tensors):
      for new, old in OLD_ATTENTION.items():
        if f".attentions.0.{new}." in name:
          tensors[name.replace(f".{new}.", f".{old}.")] = tensors.pop(name)
          break
  return tensors


def save(tensors, folder, stem, variant, dtype, shard):
  """One safetensors file, or numbered shards of at most `shard` bytes with their index."""
  tensors = {
    name: (t.to(dtype) if t.is_floating_point() else t).contiguous() for name, t in sorted(tensors.items())}
  dotted = f".{variant}" if variant else ""
  if not shard:
    save_file(tensors, folder / f"{stem}{dotted}.safetensors", {"format": "pt"})
    return
  shards = [{}]
  for name, t in tensors.items():
    used = sum(x.nbytes for x in shards[-1].values())
    if shards[-1] and used + t.nbytes > shard:
      shards.append({})
    shards[-1][name] = t
  where = {}
  for i, part in enumerate(shards, 1):
    file = f"{stem}{dotted}-{i:05}-of-{len(shards):05}.safetensors"
    save_file(part, folder / file, {"format": "pt"})
    where |= {name: file for name in part}
  index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}
  (folder / f"{stem}.safetensors.index{dotted}.json").write_text(json.dumps(index, indent=2) + "\n")


def model_index(kind):
  scheduler = SCHEDULERS[kind]["_class_name"]
  index = {"_class_name": "StableDiffusionXLPipeline" if kind == "sdxl" else "StableDiffusionPipeline",
    "_diffusers_version": SCHEDULERS[kind]["_diffusers_version"]}
  if kind == "sdxl":
    index |= {"force_zeros_for_empty_prompt": True,
      "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
      "tokenizer_2": ["transformers", "CLIPTokenizer"]}
  else:
    index |= {"feature_extractor": [None, None], "safety_checker": [None, None]}
    if kind != "sd15":
      index |= {"requires_safety_checker": False}
  return index | {
    "scheduler": ["diffusers", scheduler], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"]}


def write_json(path, value):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(value, indent=2) + "\n")


def make(kind, folder, seed=0, variant=None, dtype=torch.float32, shard=0, old_vae_names=None,
         new_eos=False, edit=None):
  """Writes one checkpoint. `edit(part, config)` may change a configuration before it is used."""
  folder = pathlib.Path(folder)
  shutil.rmtree(folder, ignore_errors=True)
  edit = edit or (lambda part, config: config)
  merges = small_tokenizer.train()
  vocab = small_tokenizer.write(folder / "tokenizer", merges, "<|endoftext|>" if kind in ("sd15", "sdxl") else "!")
  if kind == "sdxl":
    small_tokenizer.write(folder / "tokenizer_2", merges, "!")
  options = dict(variant=variant, dtype=dtype, shard=shard)
  base = 10 * (4 * seed + KINDS.index(kind))

  for i, (part, config) in enumerate(TEXTS[kind].items()):
    config = edit(part, copy.deepcopy(config) | {"vocab_size": len(vocab)})
    if new_eos:
      config |= {"bos_token_id": len(vocab) - 2, "eos_token_id": len(vocab) - 1}
    classes = {"CLIPTextModel": CLIPTextModel, "CLIPTextModelWithProjection": CLIPTextModelWithProjection}
    model = classes[config["architectures"][0]](CLIPTextConfig(**config))
    write_json(folder / part / "config.json", config)
    save(text_weights(randomise(model, base + i), kind), folder / part, "model", **options)

  config = edit("unet", copy.deepcopy(UNETS[kind]))
  write_json(folder / "unet" / "config.json", config)
  unet = randomise(UNet2DConditionModel.from_config(config), base + 2)
  save(unet.state_dict(), folder / "unet", "diffusion_pytorch_model", **options)

  config = edit("vae", copy.deepcopy(VAES[kind]))
  write_json(folder / "vae" / "config.json", config)
  vae = randomise(AutoencoderKL.from_config(config), base + 3)
  old_vae_names = kind == "sd15" if old_vae_names is None else old_vae_names
  save(vae_weights(vae, old_vae_names), folder / "vae", "diffusion_pytorch_model", **options)

  write_json(folder / "scheduler" / "scheduler_config.json", edit("scheduler", copy.deepcopy(SCHEDULERS[kind])))
  write_json(folder / "model_index.json", model_index(kind))
  return folder


def as_hub_cache(folder, cache, repository):
  """Copies a checkpoint into the layout of the Hugging Face cache: `snapshots/REV` links into `blobs/`."""
  root = pathlib.Path(cache) / ("models--" + repository.replace("/", "--"))
  shutil.rmtree(root, ignore_errors=True)
  revision = hashlib.sha1(repository.encode()).hexdigest()
  for file in sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file()):
    blob = root / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
    link = root / "snapshots" / revision / file.relative_to(folder)
    blob.parent.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, blob)
    up = "../" * (len(link.relative_to(root).parts) - 1)
    link.symlink_to(f"{up}blobs/{blob.name}")
  (root / "refs").mkdir()
  (root / "refs" / "main").write_text(revision)
  return root / "snapshots" / revision


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind (may be repeated)")
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], help="default: float32, or what the variant says")
  parser.add_argument("--variant", help="puts a variant into the file names, as in model.fp16.safetensors")
  parser.add_argument("--shard", type=int, default=0, metavar="KIB", help="splits each weight file into shards of this size")
  parser.add_argument("--old-vae-names", action=argparse.BooleanOptionalAction, default=None,
    help="query/key/value/proj_attn in the VAE's attention (default: for sd15 only)")
  parser.add_argument("--new-eos", action="store_true", help="true start and end token ids in the text encoders' configs")
  parser.add_argument("--hub-cache", action="store_true", help="lays the result out as the Hugging Face cache does")
  args = parser.parse_args()
  torch.set_num_threads(1)
  implied = {"fp16": "float16", "bf16": "bfloat16"}.get(args.variant, "float32")
  for kind in args.kind or KINDS:
    made = make(kind, args.out / kind, args.seed, args.variant, getattr(torch, args.dtype or implied),
      args.shard * 1024, args.old_vae_names, args.new_eos)
    if args.hub_cache:
      plain, made = made, as_hub_cache(made, args.out, f"example/{kind}")
      shutil.rmtree(plain)
    print(made, sum(p.stat().st_size for p in made.rglob("*") if p.is_file()), "bytes")


if __name__ == "__main__":
  main()
