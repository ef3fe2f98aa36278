#!/usr/bin/env python3
"""Exports small random models with `torch.onnx.export`, with inputs and reference outputs.

    export_graphs.py OUT            every model, by the legacy exporter (opset 14, 17) and the new one (18, 20, 23)
    export_graphs.py --compact OUT  the few that are committed as fixtures

For `NAME.onnx` there is `NAME.safetensors` with, for each of two shapes `a` and `b`, tensors
`a.in.INPUT`, `a.out.OUTPUT` (torch) and `a.ort.OUTPUT` (ONNX Runtime on the exported file). UNets also
have `a.uniform.sample`, the output when the first cross-attention's probabilities are all alike, and
`a.log_sum_exp` [layer, batch]. `exports.json` lists files, layer names and differences.
"""

import argparse
import copy
import json
import pathlib
import warnings

import onnx
import onnxruntime
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from safetensors.torch import save_file
from transformers import (BertConfig, BertModel, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection,
  T5Config, T5EncoderModel)

import make_checkpoints
from make_references import RecordingProcessor, cross_attention_names, tidy

VOCABULARY = 300
SMALL_UNET = {"block_out_channels": [8, 16], "cross_attention_dim": 16, "layers_per_block": 1,
  "norm_num_groups": 4, "sample_size": 8}


def unet(kind, seed):
  config = copy.deepcopy(make_checkpoints.UNETS[kind]) | SMALL_UNET
  names = (("CrossAttnDownBlock2D", "DownBlock2D"), ("UpBlock2D", "CrossAttnUpBlock2D"))
  if kind == "sdxl":
    names = tuple(tuple(reversed(n)) for n in names)
    config |= {"transformer_layers_per_block": [1, 2]}
  config |= {"down_block_types": names[0], "up_block_types": names[1]}
  heads = config["attention_head_dim"]
  config["attention_head_dim"] = heads if isinstance(heads, int) else [2, 4]
  return make_checkpoints.randomise(UNet2DConditionModel.from_config(config), seed).eval()


class UNetForExport(torch.nn.Module):
  def __init__(self, model, xl):
    super().__init__()
    self.model, self.xl = model, xl

  def forward(self, sample, timestep, encoder_hidden_states, text_embeds=None, time_ids=None):
    extra = {"text_embeds": text_embeds, "time_ids": time_ids} if self.xl else None
    return self.model(sample, timestep, encoder_hidden_states, added_cond_kwargs=extra, return_dict=False)[0]


class TextForExport(torch.nn.Module):
  def __init__(self, model, projected):
    super().__init__()
    self.model, self.projected = model, projected

  def forward(self, input_ids):
    if self.projected:
      out = self.model(input_ids, output_hidden_states=True)
      return out.text_embeds, out.hidden_states[-2]
    out = self.model(input_ids)
    return out.last_hidden_state, out.pooler_output


class MaskedTextForExport(torch.nn.Module):
  def __init__(self, model):
    super().__init__()
    self.model = model

  def forward(self, input_ids, attention_mask):
    return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class EncoderForExport(torch.nn.Module):
  def __init__(self, model):
    super().__init__()
    self.model = model

  def forward(self, sample):
    return self.model.encode(sample).latent_dist.parameters


class DecoderForExport(torch.nn.Module):
  def __init__(self, model):
    super().__init__()
    self.model = model

  def forward(self, latent_sample):
    return self.model.decode(latent_sample, return_dict=False)[0]


def unet_case(kind, seed):
  model = unet(kind, seed)
  xl = kind == "sdxl"

  def inputs(shape, generator):
    batch, height, width = shape
    values = {
      "sample": torch.randn(batch, 4, height, width, generator=generator),
      "timestep": torch.tensor([901] * batch),
      "encoder_hidden_states": torch.randn(batch, 77, 16, generator=generator)}
    if xl:
      values |= {"text_embeds": torch.randn(batch, 24, generator=generator),
        "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * batch)}
    return values

  axes = {"sample": {0: "batch", 2: "height", 3: "width"}, "timestep": {0: "batch"},
    "encoder_hidden_states": {0: "batch"}}
  if xl:
    axes |= {"text_embeds": {0: "batch"}, "time_ids": {0: "batch"}}
  return UNetForExport(model, xl).eval(), inputs, ["sample_out"], axes, [(2, 8, 8), (1, 12, 6)]


def text_case(projected, seed, activation=None):
  config = CLIPTextConfig(**make_checkpoints.TEXT | {"vocab_size": VOCABULARY, "num_hidden_layers": 2,
    "hidden_act": activation or ("gelu" if projected else "quick_gelu"),
    "eos_token_id": VOCABULARY - 1 if projected else 2,
    "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "projection_dim": 24})
  model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)

  def inputs(shape, generator):
    ids = torch.randint(0, VOCABULARY - 2, shape, generator=generator)
    ids[:, 0], ids[:, shape[1] // 2:] = VOCABULARY - 2, VOCABULARY - 1
    return {"input_ids": ids}

  outputs = ["text_embeds", "penultimate"] if projected else ["last_hidden_state", "pooler_output"]
  return (TextForExport(make_checkpoints.randomise(model, seed).eval(), projected).eval(), inputs, outputs,
    {"input_ids": {0: "batch", 1: "sequence"}}, [(2, 77), (1, 12)])


def masked_text_case(kind, seed):
  """Text encoders of other families, with captions of unequal length."""
  if kind == "t5":  # Bias by relative position, RMS norms, a gate with tanh Gelu.
    model = T5EncoderModel(T5Config(vocab_size=VOCABULARY, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
      feed_forward_proj="gated-gelu", dropout_rate=0.0, is_encoder_decoder=False, use_cache=False))
  else:
    model = BertModel(BertConfig(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
      intermediate_size=32, max_position_embeddings=77, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
      add_pooling_layer=False)

  def inputs(shape, generator):
    mask = torch.ones(shape, dtype=torch.int64)
    mask[0, shape[1] // 2:] = 0
    return {"input_ids": torch.randint(0, VOCABULARY, shape, generator=generator), "attention_mask": mask}

  axes = {n: {0: "batch", 1: "sequence"} for n in ("input_ids", "attention_mask")}
  return (MaskedTextForExport(make_checkpoints.randomise(model, seed).eval()), inputs, ["last_hidden_state"], axes,
    [(2, 24), (1, 12)])


def vae_case(part, seed):
  config = copy.deepcopy(make_checkpoints.VAES["sd21v"]) | {"block_out_channels": [4, 8], "norm_num_groups": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
  model = make_checkpoints.randomise(AutoencoderKL.from_config(config), seed).eval()
  for module in model.modules():
    if isinstance(module, Attention) and part == "decoder":
      module.set_processor(AttnProcessor())  # Spelt out in the one, fused in the other.
  name, channels = ("sample", 3) if part == "encoder" else ("latent_sample", 4)

  def inputs(shape, generator):
    return {name: torch.randn(shape[0], channels, *shape[1:], generator=generator)}

  wrapper = EncoderForExport if part == "encoder" else DecoderForExport
  return (wrapper(model).eval(), inputs, ["latent_parameters" if part == "encoder" else "sample_out"],
    {name: {0: "batch", 2: "height", 3: "width"}}, [(1, 16, 16), (2, 8, 20)])


CASES = {
  "unet-sd15": lambda s: unet_case("sd15", s), "unet-sd21": lambda s: unet_case("sd21v", s),
  "unet-sdxl": lambda s: unet_case("sdxl", s), "text": lambda s: text_case(False, s),
  "text-projected": lambda s: text_case(True, s), "vae-encoder": lambda s: vae_case("encoder", s),
  "vae-decoder": lambda s: vae_case("decoder", s)}
# Those and more, for export_matrix.py.
ALL_CASES = CASES | {
  "text-openclip": lambda s: text_case(False, s, "gelu"), "text-t5": lambda s: masked_text_case("t5", s),
  "text-bert": lambda s: masked_text_case("bert", s)}
EXPORTERS = [("legacy", 14), ("legacy", 17), ("dynamo", 18), ("dynamo", 20), ("dynamo", 23)]
COMPACT = [("unet-sd15", "legacy", 14), ("unet-sd21", "dynamo", 23), ("text", "dynamo", 18), ("vae-encoder", "legacy", 17)]


def export(case, exporter, opset, path):
  module, inputs, outputs, axes, shapes = case
  example = inputs(shapes[0], torch.Generator().manual_seed(1))
  common = dict(input_names=list(example), output_names=outputs, opset_version=opset)
  if exporter == "legacy":
    torch.onnx.export(module, tuple(example.values()), str(path), dynamo=False, dynamic_axes=axes, do_constant_folding=True, **common)
  else:
    # A name stands for one size everywhere, so each axis is named only once.
    names = {n: torch.export.Dim.DYNAMIC for a in axes.values() for n in a.values()}
    dynamic = {k: {i: names[n] for i, n in axes[k].items()} for k in example}
    torch.onnx.export(module, tuple(example.values()), str(path), dynamo=True, external_data=False,
      dynamic_shapes=tuple(dynamic.values()), verbose=False, **common)


def strip(path):
  """Drops what exporters note about their own machine: stack traces, paths of source files."""
  model = onnx.load(path)
  for owner in (model.graph, *model.functions):
    for item in (*owner.node, *owner.value_info):
      # Module names stay: they are how layers are found. Stack traces name folders of one machine.
      kept = [p for p in item.metadata_props if p.key == "pkg.torch.onnx.name_scopes"]
      names = [(p.key, p.value) for p in kept]
      del item.metadata_props[:]
      for key, value in names:
        item.metadata_props.add(key=key, value=value)
      item.ClearField("doc_string")
  onnx.save(model, path)


class UniformProcessor:
  """Attention whose every query looks at all positions alike."""

  def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
    v = attn.to_v(encoder_hidden_states).mean(1, keepdim=True).expand(-1, hidden_states.shape[1], -1)
    return attn.to_out[0](v)


@torch.no_grad()
def references(case, path):
  """Tensors at two shapes, and the worst difference between torch and ONNX Runtime over the peak."""
  module, inputs, outputs, _, shapes = case
  session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
  tensors, worst, layers = {}, 0.0, []
  for tag, shape in zip("ab", shapes):
    values = inputs(shape, torch.Generator().manual_seed(ord(tag)))
    result = module(**values)
    result = result if isinstance(result, tuple) else (result,)
    ran = session.run(None, {i.name: values[i.name].numpy() for i in session.get_inputs()})
    tensors |= {f"{tag}.in.{k}": v for k, v in values.items()}
    for name, torchs, onnxs in zip(outputs, result, map(torch.from_numpy, ran)):
      tensors |= {f"{tag}.out.{name}": torchs, f"{tag}.ort.{name}": onnxs}
      worst = max(worst, float((torchs - onnxs).abs().max() / torchs.abs().max()))
    if isinstance(module, UNetForExport):
      layers, modules, log = cross_attention_names(module.model), dict(module.model.named_modules()), {}
      before = {n: m.processor for n, m in modules.items() if isinstance(m, Attention)}
      for name in before:
        modules[name].set_processor(RecordingProcessor(name, log))
      module(**values)
      tensors[f"{tag}.log_sum_exp"] = torch.stack([log[n] for n in layers])
      modules[layers[0]].set_processor(UniformProcessor())
      tensors[f"{tag}.uniform.sample"] = module(**values)
      for name, processor in before.items():
        modules[name].set_processor(processor)
  return {k: v.contiguous().clone() for k, v in tensors.items()}, worst, layers


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  parser.add_argument("--compact", action="store_true")
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--only", help="part of a name, such as unet or dynamo-23")
  args = parser.parse_args()
  torch.set_num_threads(1)
  warnings.filterwarnings("ignore")
  args.out.mkdir(parents=True, exist_ok=True)
  listing = []
  wanted = COMPACT if args.compact else [(c, *e) for c in CASES for e in EXPORTERS]
  for name, exporter, opset in wanted:
    title = f"{name}-{exporter}-{opset}"
    if args.only and args.only not in title:
      continue
    case = CASES[name](args.seed)
    path = args.out / f"{title}.onnx"
    try:
      export(case, exporter, opset, path)
    except Exception as error:  # An exporter that cannot do a model is worth a line, not the end.
      print(f"{title}: not exported: {type(error).__name__}: {str(error).splitlines()[0]}")
      continue
    if args.compact:
      strip(path)
    tensors, worst, layers = references(case, path)
    save_file(tensors, path.with_suffix(".safetensors"))
    graph = onnx.load(path)
    operators = sorted({n.op_type for n in graph.graph.node} | {n.op_type for f in graph.functions for n in f.node})
    listing.append({"file": path.name, "exporter": exporter, "opset": {o.domain: o.version for o in graph.opset_import},
      "functions": len(graph.functions), "operators": operators, "runtime_difference": worst, "cross_attention_layers": layers})
    print(f"{title}: {path.stat().st_size} bytes, {len(graph.graph.node)} nodes, torch and ONNX Runtime within {worst:.1e} of the peak")
  (args.out / "exports.json").write_text(tidy(listing), encoding="utf-8")


if __name__ == "__main__":
  main()
