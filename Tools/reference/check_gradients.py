#!/usr/bin/env python3
"""Compares gradients of the score and of the loss with torch's, on the small checkpoints.

    check_gradients.py --bin .build/release [--kind sd15] [--seeds 1..2] [--onnxruntime]

`dsd rewrite` writes the pipeline with score, loss and gradient as one graph file; `dsd-run` runs it, and with
`--onnxruntime` ONNX Runtime does too. Torch computes the same with autograd through diffusers' models in float64, and
in float32 to tell what rounding costs: with its own choice of kernels, without oneDNN's, and with attention written out;
the same graph with its numbers widened is run in float64 too, which tells what is wrong from what is rounded. What is told is the largest difference by the gradient's peak. Exit code 1 when one of ours
is above 1e-4. All begin with the same latent: what rounding leaves of the autoencoder's, 6e-7 with us as with
torch, comes out as 1e-4 of some gradients. Adapters are random; with factors of LoRA as large as 0.3 torch's own float32
is 1e-4 and more from its float64 in places.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile

import numpy
import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

import check_adapters
import make_checkpoints
import make_references
import small_tokenizer
from check_scores import run

TOLERANCE = 1e-4


def terms(model, latents, noise, t, states, pooled):
  """Attention and −error of every row."""
  z = model.noisy(latents, noise, t)
  extra = None
  if model.xl:
    ids = torch.tensor([[model.size, model.size, 0, 0, model.size, model.size]] * len(z), dtype=z.dtype)
    extra = {"text_embeds": pooled, "time_ids": ids}
  model.lse.clear()
  out = model.unet(z, torch.tensor([t] * len(z)), states, added_cond_kwargs=extra).sample
  attention = torch.stack([model.lse[n] for n in model.official]).mean(0)
  error = (noise - model.noise_estimate(out, z, t)).flatten(1).norm(dim=1)
  return attention, -error


def forward(model, latents, noise, t, states, pooled, chosen):
  """The score of every row, as far as the terms chosen say."""
  attention, bias = terms(model, latents, noise, t, states, pooled)
  return {"both": attention + bias, "attention": attention, "bias": bias}[chosen]


def embed(model, captions):
  parts = [model.embed(c) for c in captions]
  return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]) if model.xl else None


def losses(scores):
  """What is differentiated: the sum of the scores, or the hinge loss of one example."""
  return {"score": scores.sum(), "hinge": torch.relu(0.1 + scores[1:].max() - scores[0])}


def adapted(spec, folder, file):
  """A model with the file's adapter, and the learned tensors by their names in the graph."""
  if spec is None:
    return make_references.Model(folder), {}
  if spec.startswith("prompt"):
    model = check_adapters.PromptModel(folder, file)
    names = [f"adapter/{n}/prompt_tokens" for n in ("text_encoder", "text_encoder_2")]
    leaves = dict(zip(names, model.vectors))
  elif spec.startswith("kv"):
    model = check_adapters.key_value_model(folder, file)
    leaves = {}
    for name, module in model.unet.named_modules():
      processor = getattr(module, "processor", None)
      if isinstance(processor, check_adapters.KeyValueProcessor):
        leaves |= {f"adapter/unet/{name}/key_tokens": processor.keys, f"adapter/unet/{name}/value_tokens": processor.values}
  else:
    model = make_references.Model(folder)
    pipeline = check_adapters.StableDiffusionXLPipeline if model.xl else check_adapters.StableDiffusionPipeline
    state, alphas, metadata = pipeline.lora_state_dict(str(file), unet_config=model.unet.config, return_lora_metadata=True)
    pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=model.unet, metadata=metadata)
    leaves = {}
    for name, value in model.unet.named_parameters():
      if ".lora_" in name:
        module, _, rest = name.partition(".lora_")
        leaves[f"adapter/unet/{module}/lora_{rest[0]}"] = value
  return model, leaves


def check(kind, seed, bin, work, with_runtime, deviation):
  rng = random.Random(f"{kind}-{seed}")
  folder = make_checkpoints.make(kind, work / "checkpoint", seed)
  image = make_references.make_images(work, seed)[0]
  graph = folder / "graph.pb"
  run([bin / "dsd", "import", folder, "-o", graph])
  specs = [None, "prompt-tokens:3", "kv-tokens:2", "lora:2", "lora:3,layers=both"]
  for spec in specs:
    file = work / "adapter.safetensors"
    if spec:
      run([bin / "dsd", "adapter", graph, spec, "-o", file, "--seed", seed + 1, "--deviation", deviation])
    model, leaves = adapted(spec, folder, file)
    for part in (model.unet, model.vae, *model.encoders):
      part.requires_grad_(False)
      part.eval()
    for rows, terms, loss in ((2, "attention", "score"), (3, "attention", "score"), (2, "both", "hinge"), (4, "both", "hinge")):
      captions = [small_tokenizer.caption(rng) for _ in range(rows)]
      results = compare(model, leaves, captions, image, rng.randrange(1000), terms, loss, seed, bin, work, folder,
        ["--adapter", file] if spec else [], with_runtime)
      for runner, *numbers in results:
        yield runner, rows, terms, loss, spec or "text states", *numbers


def compare(model, leaves, captions, image, t, terms, loss, seed, bin, work, folder, options, with_runtime):
  rows, edge, channels = len(captions), model.unet.config.sample_size, model.unet.config.in_channels
  pixels = make_references.preprocess(image, model.size).repeat(rows, 1, 1, 1)
  torch.manual_seed(seed)
  noise = torch.randn(1, channels, edge, edge).repeat(rows, 1, 1, 1)
  with torch.no_grad():
    encoded = model.latent(pixels[:1]).repeat(rows, 1, 1, 1)

  def scores():
    wrt = dict(leaves)
    for leaf in leaves.values():
      leaf.requires_grad_()
    states, pooled = embed(model, captions)
    if not wrt:
      states = states.detach().requires_grad_()
      wrt["encoder_hidden_states"] = states
    kind = model.unet.dtype
    return forward(model, encoded.to(kind), noise.to(kind), t, states, pooled, terms), wrt

  def gradients():
    found, wrt = scores()
    values = torch.autograd.grad(losses(found)[loss], list(wrt.values()), allow_unused=True)
    return {n: numpy.zeros(v.shape) if g is None else g.double().numpy() for (n, v), g in zip(wrt.items(), values)}

  if loss == "hinge":
    # The hinge must not be flat where it is measured: the worst caption takes the right one's place.
    captions = [captions[i] for i in scores()[0].argsort().tolist()]
  in_float32 = {"torch, float32": gradients()}
  with torch.backends.mkldnn.flags(enabled=False):
    in_float32["torch, plain"] = gradients()
  with sdpa_kernel(SDPBackend.MATH):
    in_float32["torch, sdpa math"] = gradients()
  parts = (model.unet, model.vae, *model.encoders)
  for tensor in [*leaves.values(), *(p for part in parts for p in part.parameters())]:
    tensor.data = tensor.data.double()
  expected = gradients()
  for tensor in [*leaves.values(), *(p for part in parts for p in part.parameters())]:
    tensor.data = tensor.data.float()

  command = [bin / "dsd", "rewrite", folder / "graph.pb", "-o", folder / "grad.pb", *options]
  extents = dict(batch=rows, height=model.size, width=model.size, latent_height=edge, latent_width=edge)
  for name, extent in extents.items():
    command += ["--dim", f"{name}={extent}"]
  command += ["--score", rows, "--terms", terms, "--loss", "hinge", "--margin", "0.1"]
  command += ["--gradient", "score/scores" if loss == "score" else "score/loss"]
  for name in expected:
    command += ["--wrt", name]
  run(command)
  inputs = {"latent": encoded.numpy(), "noise": noise.numpy(), "timestep": numpy.full([rows], t, numpy.int64)}
  for n, name in enumerate(["input_ids", "input_ids_2"][:2 if model.xl else 1]):
    # The graph moves the ids itself.
    ids = [make_references.Model.tokens(model, c)[n] for c in captions]
    inputs[name] = torch.cat(ids).numpy()
  if model.xl:
    inputs["time_ids"] = numpy.array([[model.size, model.size, 0, 0, model.size, model.size]] * rows, numpy.float32)
  results = {"dsd": ours(bin, folder / "grad.pb", inputs, expected, work)}
  wide = {n: v.astype(numpy.float64) if v.dtype == numpy.float32 else v for n, v in inputs.items()}
  results["dsd, float64"] = ours(bin, widened(folder / "grad.pb"), wide, expected, work)
  if with_runtime:
    results["onnxruntime"] = theirs(folder / "grad.pb", inputs, expected)
  results |= in_float32
  peak = max(float(abs(e).max()) for e in expected.values())
  for runner, got in results.items():
    worst = max(float(abs(got[n] - e).max()) / peak for n, e in expected.items())
    # By each tensor's own peak as well, or a hundredth of the largest where a tensor hardly matters.
    own = max(float(abs(got[n] - e).max() / max(abs(e).max(), 1e-2 * peak)) for n, e in expected.items())
    yield runner, worst, own, peak


def ours(bin, graph, inputs, expected, work):
  command = [bin / "dsd-run", graph]
  needed = needed_inputs(graph) | {"latent"}
  for name, value in inputs.items():
    if name in needed:
      numpy.save(work / f"in-{name}.npy", value)
      command += ["--input", f"{name}={work / f'in-{name}.npy'}"]
  for n, name in enumerate(expected):
    command += ["--output", f"gradient/{name}={work / f'out-{n}.npy'}"]
  run(command)
  return {name: numpy.load(work / f"out-{n}.npy") for n, name in enumerate(expected)}


def widened(graph):
  """A graph file with float64 in the place of float32."""
  import onnx
  model = onnx.load(str(graph))
  def widen(tensor):
    if tensor.data_type == onnx.TensorProto.FLOAT:
      tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(numpy.float64), tensor.name))
  for tensor in model.graph.initializer:
    widen(tensor)
  for node in model.graph.node:
    for attribute in node.attribute:
      if attribute.type == onnx.AttributeProto.TENSOR:
        widen(attribute.t)
      if node.op_type == "Cast" and attribute.name == "to" and attribute.i == onnx.TensorProto.FLOAT:
        attribute.i = onnx.TensorProto.DOUBLE
  for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
    if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
      value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
  # Bodies are for others, and in float32.
  del model.functions[:]
  path = graph.with_name("wide.pb")
  onnx.save(model, str(path))
  return path


def theirs(graph, inputs, expected):
  import onnx
  import onnxruntime
  # What makes the latent goes; the graph is fed there.
  model = onnx.load(str(graph), load_external_data=False)
  for node in model.graph.node:
    node.output[:] = ["" if o == "latent" else o for o in node.output]
  model.graph.input.append(onnx.helper.make_tensor_value_info("latent", onnx.TensorProto.FLOAT, inputs["latent"].shape))
  kept = [o for o in model.graph.output if o.name.startswith("gradient/")]
  del model.graph.output[:]
  model.graph.output.extend(kept)
  cut = graph.with_name("fed.pb")
  onnx.save(prune(model), str(cut))
  session = onnxruntime.InferenceSession(str(cut), providers=["CPUExecutionProvider"])
  needed = {i.name for i in session.get_inputs()}
  outputs = session.run([f"gradient/{n}" for n in expected], {n: v for n, v in inputs.items() if n in needed})
  return dict(zip(expected, outputs))


def prune(model):
  """The model without nodes, inputs and weights that its outputs do not need."""
  needed, nodes = {o.name for o in model.graph.output}, []
  for node in reversed(model.graph.node):
    if needed.intersection(node.output):
      needed.update(i for i in node.input if i)
      nodes.append(node)
  del model.graph.node[:]
  model.graph.node.extend(reversed(nodes))
  for values in (model.graph.input, model.graph.initializer):
    kept = [v for v in values if v.name in needed]
    del values[:]
    values.extend(kept)
  return model


def needed_inputs(graph):
  import onnx
  return {i.name for i in onnx.load(str(graph), load_external_data=False).graph.input}


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder that holds dsd and dsd-run")
  parser.add_argument("--seeds", default="1..1", metavar="N..M")
  parser.add_argument("--kind", choices=make_checkpoints.KINDS, action="append")
  parser.add_argument("--deviation", type=float, default=0.1, help="of the random adapters' elements")
  parser.add_argument("--onnxruntime", action="store_true", help="run the gradient graphs in ONNX Runtime as well")
  args = parser.parse_args()
  torch.set_num_threads(1)
  transformers.logging.set_verbosity_error()
  transformers.logging.disable_progress_bar()
  first, _, last = args.seeds.partition("..")
  failures = 0
  print(f"{'kind':9} {'seed':>4} {'run':16} {'rows':>4} {'terms':9} {'of':6} {'by':18} {'error':>8} {'own':>8} {'peak':>8}")
  for seed in range(int(first), int(last or first) + 1):
    for kind in args.kind or make_checkpoints.KINDS:
      with tempfile.TemporaryDirectory() as temporary:
        for runner, rows, terms, loss, by, worst, own, peak in check(kind, seed, args.bin, pathlib.Path(temporary), args.onnxruntime, args.deviation):
          good = worst <= TOLERANCE or runner.startswith("torch")
          failures += not good
          print(f"{kind:9} {seed:4} {runner:16} {rows:4} {terms:9} {loss:6} {by:18} {worst:8.1e} {own:8.1e} {peak:8.1e}"
            + ("" if good else "  DIFFERS"), flush=True)
  sys.exit(1 if failures else 0)


if __name__ == "__main__":
  main()
