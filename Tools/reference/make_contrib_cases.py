#!/usr/bin/env python3
"""Writes graphs of one `com.microsoft` node each, with inputs and what ONNX Runtime makes of them.

    make_contrib_cases.py OUT       OUT/NAME.onnx and OUT/cases.safetensors, with NAME.in.INPUT and NAME.out.OUTPUT

Nodes that ONNX Runtime has for GPUs alone are computed here, from their documentation, in float64.
"""

import argparse
import math
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from safetensors.numpy import save_file

rng = np.random.default_rng(5)
TYPES = {np.dtype("float32"): TensorProto.FLOAT, np.dtype("float16"): TensorProto.FLOAT16,
  np.dtype("int32"): TensorProto.INT32, np.dtype("int64"): TensorProto.INT64,
  np.dtype("uint8"): TensorProto.UINT8, np.dtype("int8"): TensorProto.INT8}
cases = []


def floats(*shape, dtype="float32"):
  return rng.standard_normal(shape).astype(dtype)


def case(name, op, inputs, outputs=("y",), expected=None, domain="com.microsoft", **attributes):
  """`inputs` maps names to arrays; None is an absent input. `expected` computes what the runtime cannot."""
  cases.append((name, op, inputs, outputs, expected, domain, attributes))


def gelu(x):
  return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def group_norm(x, gamma, beta, groups, epsilon, activation, last):
  x = np.moveaxis(x, -1, 1) if last else x
  parts = x.reshape(x.shape[0], groups, -1)
  normal = (parts - parts.mean(-1, keepdims=True)) / np.sqrt(parts.var(-1, keepdims=True) + epsilon)
  y = normal.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
  y = y / (1 + np.exp(-y)) if activation else y
  return np.moveaxis(y, 1, -1) if last else y


def conv1x1(x, w, b):
  return np.einsum("nhwc,mc->nhwm", x, w[:, 0, 0, :]) + b


X, ROW = floats(2, 5, 8), floats(8)
case("gelu", "Gelu", {"x": X})
case("bias-gelu", "BiasGelu", {"x": X, "b": ROW})
case("fast-gelu", "FastGelu", {"x": X})
case("fast-gelu-bias", "FastGelu", {"x": X, "b": ROW})
case("quick-gelu", "QuickGelu", {"x": X})
case("quick-gelu-alpha", "QuickGelu", {"x": X}, alpha=1.3)
case("bias-split-gelu", "BiasSplitGelu", {"x": X, "b": ROW},
  expected=lambda x, b: ((x + b)[..., :4] * gelu((x + b)[..., 4:]),))
case("bias-add", "BiasAdd", {"x": X, "b": ROW, "skip": floats(2, 5, 8)}, expected=lambda x, b, s: (x + b + s,))
case("skip-layer-norm", "SkipLayerNormalization",
  {"x": X, "skip": floats(2, 5, 8), "g": ROW, "b": floats(8), "bias": floats(8)}, ("y", "", "", "sum"), epsilon=1e-3)
case("skip-layer-norm-row", "SkipLayerNormalization", {"x": X, "skip": floats(5, 8), "g": ROW})
case("skip-simplified", "SkipSimplifiedLayerNormalization", {"x": X, "skip": floats(2, 5, 8), "g": ROW},
  ("y", "", "", "sum"), epsilon=1e-4)
case("simplified", "SimplifiedLayerNormalization", {"x": X, "g": ROW}, domain="", axis=-1, epsilon=1e-4)
case("embed", "EmbedLayerNormalization",
  {"ids": np.array([[1, 4, 2], [0, 3, 3]], "int32"), "segments": np.array([[0, 0, 1], [1, 0, 1]], "int32"),
    "words": floats(6, 8), "positions": floats(7, 8), "kinds": floats(2, 8), "g": ROW, "b": floats(8),
    "mask": np.array([[1, 1, 0], [1, 1, 1]], "int32")}, ("y", "count"), epsilon=1e-5)
case("embed-plain", "EmbedLayerNormalization",
  {"ids": np.array([[1, 4, 2]], "int32"), "segments": None, "words": floats(6, 8), "positions": floats(7, 8),
    "kinds": None, "g": ROW, "b": floats(8)}, ("y", "count"), epsilon=1e-5)
for last in (1, 0):
  for dtype in ("float32", "float16"):
    image, gamma, beta = floats(2, 3, 4, 6, dtype=dtype), floats(6), floats(6)
    image = image if last else np.ascontiguousarray(np.moveaxis(image, -1, 1))
    case(f"group-norm-{last}-{dtype}", "GroupNorm", {"x": image, "g": gamma, "b": beta},
      expected=lambda x, g, b, last=last: (group_norm(x, g, b, 3, 1e-3, last, last),), groups=3, activation=last,
      channels_last=last, epsilon=1e-3)
image = floats(2, 3, 4, 6)
for name, skip in (("flat", floats(2, 6)), ("image", floats(2, 3, 4, 6)), ("pixel", floats(2, 1, 1, 6))):
  case(f"skip-group-norm-{name}", "SkipGroupNorm", {"x": image, "g": floats(6), "b": floats(6), "skip": skip,
    "bias": floats(6)}, ("y", "sum"), groups=2, activation=1, expected=lambda x, g, b, s, bias: (
      group_norm(x + s.reshape((2, 1, 1, 6) if s.ndim == 2 else s.shape) + bias, g, b, 2, 1e-5, 1, 1),
      x + s.reshape((2, 1, 1, 6) if s.ndim == 2 else s.shape) + bias))
case("skip-group-norm-first", "SkipGroupNorm", {"x": np.ascontiguousarray(np.moveaxis(image, -1, 1)), "g": floats(6),
  "b": floats(6), "skip": floats(2, 6), "bias": floats(6)}, groups=2, activation=0, channels_last=0,
  expected=lambda x, g, b, s, bias: (group_norm(x + s[:, :, None, None] + bias[:, None, None], g, b, 2, 1e-5, 0, 0),))
for flags in ({}, {"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1, "alpha": 0.3}, {"alpha": 2.5}):
  a = floats(2, 5, 4) if flags.get("transA") else floats(2, 4, 5)
  b = floats(2, 3, 5) if flags.get("transB") else floats(2, 5, 3)
  case("matmul" + "".join(f"-{k}" for k in flags), "FusedMatMul", {"a": a, "b": b}, **flags)
case("matmul-transBatchA", "FusedMatMul", {"a": floats(4, 2, 5), "b": floats(2, 5, 3)}, transBatchA=1)
case("matmul-transBatchB-transB", "FusedMatMul", {"a": floats(2, 4, 5), "b": floats(3, 2, 5)}, transBatchB=1, transB=1)
case("gemm-leaky", "FusedGemm", {"a": floats(3, 4), "b": floats(5, 4), "c": floats(5)}, transB=1, alpha=0.5,
  activation="LeakyRelu", activation_alpha=0.2)
for name, parameters in (("Relu", None), ("LeakyRelu", [0.3]), ("Clip", [-0.4, 0.9]), ("HardSigmoid", [0.3, 0.4]),
    ("Tanh", None), ("Sigmoid", None)):
  more = {"activation_params": parameters} if parameters else {}
  case(f"conv-{name}", "FusedConv", {"x": floats(1, 3, 5, 4), "w": floats(2, 3, 3, 3), "b": floats(2)},
    activation=name, pads=[1, 1, 1, 1], strides=[2, 1], **more)
case("conv-sum", "FusedConv", {"x": floats(1, 3, 5, 4), "w": floats(2, 3, 1, 1), "b": None, "z": floats(1, 2, 5, 4)},
  activation="Relu", kernel_shape=[1, 1])
case("nhwc-conv", "NhwcConv", {"x": floats(1, 3, 4, 5), "w": floats(6, 1, 1, 5), "b": floats(6)},
  expected=lambda x, w, b: (conv1x1(x, w, b),))
q, k, v = floats(2, 5, 8), floats(2, 7, 8), floats(2, 7, 8)
bias, added = floats(24), floats(2, 2, 5, 7)
case("mha", "MultiHeadAttention", {"q": q, "k": k, "v": v}, num_heads=2)
case("mha-bias", "MultiHeadAttention", {"q": q, "k": k, "v": v, "b": bias}, num_heads=2, scale=0.2)
case("mha-added", "MultiHeadAttention", {"q": q, "k": k, "v": v, "b": None, "m": None, "a": added}, num_heads=2)
seen = np.array([[1, 1, 1, 0, 1, 1, 0], [1, 0, 1, 1, 1, 1, 1]], "int32")
case("mha-mask", "MultiHeadAttention", {"q": q, "k": k, "v": v, "b": None, "m": seen, "a": added}, num_heads=2)
case("mha-lengths", "MultiHeadAttention", {"q": q, "k": k, "v": v, "b": None, "m": np.array([4, 7], "int32")},
  num_heads=2)
case("mha-causal", "MultiHeadAttention", {"q": k, "k": k, "v": v}, num_heads=4, unidirectional=1)
case("mha-past", "MultiHeadAttention", {"q": q, "k": q, "v": q, "b": None, "m": None, "a": None,
  "pk": floats(2, 2, 3, 4), "pv": floats(2, 2, 3, 4)}, ("y", "k1", "v1"), num_heads=2)


def packed(q, kv):
  scores = np.einsum("blhd,bshd->bhls", q, kv[:, :, :, 0]) / 2
  weights = np.exp(scores - scores.max(-1, keepdims=True))
  y = np.einsum("bhls,bshd->blhd", weights / weights.sum(-1, keepdims=True), kv[:, :, :, 1])
  return (y.reshape(2, -1, 8),)


case("mha-packed-kv", "MultiHeadAttention", {"q": q, "kv": floats(2, 7, 2, 2, 4)}, num_heads=2,
  expected=lambda q, kv: packed(q.reshape(2, 5, 2, 4), kv))
case("mha-packed", "MultiHeadAttention", {"qkv": floats(2, 5, 2, 3, 4)}, num_heads=2,
  expected=lambda x: packed(x[:, :, :, 0], x[:, :, :, 1:]))
case("attention", "Attention", {"x": q, "w": floats(8, 24), "b": bias}, num_heads=2)
case("attention-mask", "Attention", {"x": k, "w": floats(8, 24), "b": bias, "m": seen}, num_heads=4, scale=0.3)
case("attention-lengths", "Attention", {"x": k, "w": floats(8, 24), "b": bias, "m": np.array([3, 7], "int32")},
  num_heads=2)
case("attention-mask-3", "Attention",
  {"x": k, "w": floats(8, 24), "b": bias, "m": (rng.random((2, 7, 7)) < 0.7).astype("int32") | np.eye(7, dtype="int32")},
  num_heads=2)
case("attention-causal", "Attention", {"x": k, "w": floats(8, 24), "b": bias}, num_heads=2, unidirectional=1)
case("attention-sizes", "Attention", {"x": k, "w": floats(8, 12), "b": floats(12)}, num_heads=2,
  qkv_hidden_sizes=[4, 4, 4])
case("attention-added", "Attention", {"x": q, "w": floats(8, 24), "b": bias, "m": None, "p": None,
  "a": floats(2, 2, 5, 5)}, num_heads=2)


def quantized(name, scale, zero, *shape, dtype="uint8"):
  """Random bytes with their scale and zero point, as three inputs."""
  low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
  return {name: rng.integers(low, high + 1, shape).astype(dtype), f"{name}_scale": np.float32(scale),
    f"{name}_zero": np.array(zero, dtype)}


def step(scale, zero, dtype="uint8"):
  """Scale and zero point of a result."""
  return {"y_scale": np.float32(scale), "y_zero": np.array(zero, dtype)}


# Scales that are no round numbers, so that no sum falls between two steps.
case("qadd", "QLinearAdd", quantized("a", 0.0313, 120, 2, 5, 8) | quantized("b", 0.0171, 3, 1, 8) | step(0.0507, 100))
case("qadd-signed", "QLinearAdd", quantized("a", 0.0313, -12, 2, 8, dtype="int8")
  | quantized("b", 0.0171, 3, 2, 8, dtype="int8") | step(0.0507, -7, "int8"))
case("qmul", "QLinearMul", quantized("a", 0.0313, 120, 2, 5, 8) | quantized("b", 0.0171, 90, 5, 1) | step(0.0507, 100))
case("qsigmoid", "QLinearSigmoid", quantized("x", 0.0313, 120, 5, 8) | step(1 / 256, 0))
case("qleakyrelu", "QLinearLeakyRelu", quantized("x", 0.0313, 120, 5, 8) | step(0.0407, 20), alpha=0.2)
case("qsoftmax", "QLinearSoftmax", quantized("x", 0.0313, 120, 5, 8) | step(1 / 256, 0), axis=-1, opset=13)
case("qpool", "QLinearAveragePool", quantized("x", 0.0313, 120, 1, 3, 6, 6) | step(0.0297, 110), kernel_shape=[2, 2],
  strides=[2, 2])
case("qglobalpool", "QLinearGlobalAveragePool", quantized("x", 0.0313, 120, 2, 3, 6, 6) | step(0.01, 128))
case("qconcat", "QLinearConcat", step(0.0507, 100) | quantized("a", 0.0313, 120, 2, 3) | quantized("b", 0.0611, 9, 2, 5), axis=1)
columns = {"b_scale": np.array([0.01, 0.02, 0.03], "float32"), "b_zero": np.array([0, 4, -3], "int8")}
case("qgemm", "QGemm", quantized("a", 0.0313, 120, 4, 8) | quantized("b", 0.01, 0, 8, 3, dtype="int8") | columns
  | {"c": rng.integers(-900, 900, 3).astype("int32")} | step(0.0407, 128), alpha=1.0)
case("qgemm-float", "QGemm", quantized("a", 0.0313, 120, 8, 4) | quantized("b", 0.01, 5, 3, 8), transA=1, transB=1)
case("integer-to-float", "MatMulIntegerToFloat", {"a": quantized("a", 1, 0, 4, 8)["a"],
  "b": quantized("b", 1, 0, 8, 3, dtype="int8")["b"], "sa": np.float32(0.03), "sb": columns["b_scale"],
  "za": np.uint8(120), "zb": columns["b_zero"], "bias": floats(3)})
case("dynamic-matmul", "DynamicQuantizeMatMul", {"a": floats(4, 8), "b": quantized("b", 1, 0, 8, 3, dtype="int8")["b"],
  "sb": np.float32(0.02), "zb": np.int8(4), "bias": floats(3)})


def model(op, inputs, outputs, domain, attributes):
  names = [n if v is not None else "" for n, v in inputs.items()]
  infos = [helper.make_tensor_value_info(n, TYPES[v.dtype], np.shape(v)) for n, v in inputs.items() if v is not None]
  node = helper.make_node(op, names, list(outputs), domain=domain, **attributes)
  results = [helper.make_empty_tensor_value_info(o) for o in outputs if o]
  first = TYPES[next(v for v in inputs.values() if v is not None and v.dtype.kind == "f").dtype]
  if "y_zero" in inputs:
    first = TYPES[inputs["y_zero"].dtype]
  for result in results:
    result.type.tensor_type.elem_type = TensorProto.INT32 if result.name == "count" else first
  graph = helper.make_graph([node], "case", infos, results)
  imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
  return helper.make_model(graph, opset_imports=imports, ir_version=8)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  args = parser.parse_args()
  args.out.mkdir(parents=True, exist_ok=True)
  tensors = {}
  for name, op, inputs, outputs, expected, domain, attributes in cases:
    made = model(op, inputs, outputs, domain, attributes)
    given = {n: np.asarray(v) for n, v in inputs.items() if v is not None}
    if expected:
      results = [np.asarray(r) for r in expected(*(v.astype("float64") for v in given.values()))]
    else:
      session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
      results = session.run(None, given)
    onnx.save(made, args.out / f"{name}.onnx")
    tensors |= {f"{name}.in.{n}": np.array(v, order="C") for n, v in given.items()}
    for output, result in zip([o for o in outputs if o], results):
      result = result.astype("float32") if result.dtype.kind == "f" else result
      tensors[f"{name}.out.{output}"] = np.ascontiguousarray(result)
  save_file(tensors, args.out / "cases.safetensors")
  print(len(cases), "cases,", sum(p.stat().st_size for p in args.out.iterdir()), "bytes")


if __name__ == "__main__":
  main()
