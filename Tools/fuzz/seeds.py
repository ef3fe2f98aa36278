#!/usr/bin/env python3
"""Writes seed inputs for Tools/fuzz from the test fixtures and from small files made here.

Usage: seeds.py FOLDER    (needs nothing but Python; FOLDER/TARGET/… is written)

Large fixtures are left out: libFuzzer does best with files of a few kilobytes.
"""
import io
import json
import struct
import sys
import zlib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "Tests/Fixtures"
LIMIT = 24 << 10
out = Path(sys.argv[1] if len(sys.argv) > 1 else ".")


def save(target, name, data):
    folder = out / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# --- protobuf by hand -------------------------------------------------------------------------------------

def varint(value):
    value &= (1 << 64) - 1
    data = b""
    while value >= 0x80:
        data += bytes([value & 0x7F | 0x80])
        value >>= 7
    return data + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def single(field, value):
    return varint(field << 3 | 5) + struct.pack("<f", value)


TYPES = {"f": (1, "f"), "i": (7, "q"), "b": (9, "?"), "d": (11, "d"), "w": (6, "i"), "u": (2, "B"), "s": (3, "b")}


def tensor(name, kind, shape, values):
    code, form = TYPES[kind]
    raw = struct.pack(f"<{len(values)}{form}", *values)
    return b"".join(number(1, n) for n in shape) + number(2, code) + text(8, name) + text(9, raw)


def attribute(name, value):
    head = text(1, name)
    if isinstance(value, bool) or isinstance(value, int):
        return head + number(3, value) + number(20, 2)
    if isinstance(value, float):
        return head + single(2, value) + number(20, 1)
    if isinstance(value, str):
        return head + text(4, value) + number(20, 3)
    if isinstance(value, tuple):  # ("tensor" or "graph", bytes)
        field, code = {"tensor": (5, 4), "graph": (6, 5)}[value[0]]
        return head + text(field, value[1]) + number(20, code)
    if value and isinstance(value[0], float):
        return head + b"".join(single(7, v) for v in value) + number(20, 6)
    if value and isinstance(value[0], str):
        return head + b"".join(text(9, v) for v in value) + number(20, 8)
    return head + b"".join(number(8, v) for v in value) + number(20, 7)


def node(op, inputs, outputs, domain="", **attributes):
    return (b"".join(text(1, n) for n in inputs) + b"".join(text(2, n) for n in outputs) + text(4, op)
            + b"".join(text(5, attribute(k, v)) for k, v in attributes.items())
            + (text(7, domain) if domain else b""))


def value(name, kind, shape):
    dims = b"".join(text(1, number(1, d) if isinstance(d, int) else text(2, d)) for d in shape)
    return text(1, name) + text(2, text(1, number(1, TYPES[kind][0]) + text(2, dims)))


def graph(nodes, inputs=(), outputs=(), initializers=()):
    return (b"".join(text(1, n) for n in nodes) + text(2, "g") + b"".join(text(5, t) for t in initializers)
            + b"".join(text(11, v) for v in inputs) + b"".join(text(12, v) for v in outputs))


def model(body, opset=23, functions=(), extra=()):
    return (number(1, 10) + text(7, body) + text(8, number(2, opset))
            + b"".join(text(8, text(1, d) + number(2, 1)) for d in extra)
            + b"".join(text(25, f) for f in functions))


def function(name, inputs, outputs, nodes):
    return (text(1, name) + b"".join(text(4, i) for i in inputs) + b"".join(text(5, o) for o in outputs)
            + b"".join(text(7, n) for n in nodes) + text(9, number(2, 23)) + text(10, "f"))


# --- graphs -----------------------------------------------------------------------------------------------

def output(name):
    return text(1, name)


def one(name, op, inputs, outputs=1, opset=23, **attributes):
    """A model of one node; inputs are (kind, shape) or (kind, shape, values)."""
    names, infos, constants = [], [], []
    for position, given in enumerate(inputs):
        if given is None:
            names.append("")
            continue
        names.append(f"x{position}")
        if len(given) == 3:
            constants.append(tensor(names[-1], *given))
        else:
            infos.append(value(names[-1], *given))
    made = [f"y{i}" for i in range(outputs)]
    data = model(graph([node(op, names, made, **attributes)], infos, [output(n) for n in made], constants), opset)
    for target in ("graph", "run"):
        save(target, f"{name}.onnx", data)


def f(*shape):
    return ("f", list(shape))


def ints(*values):
    return ("i", [len(values)], list(values))


def graphs():
    one("add", "Add", [f(2, 3), f(3)])
    one("relu", "Relu", [f(2, "n")])
    one("cast", "Cast", [f(2, 3)], to=7)
    one("matmul", "MatMul", [f(2, 3), f(3, 4)])
    one("gemm", "Gemm", [f(2, 3), f(4, 3), f(4)], transB=1, alpha=0.5)
    one("conv", "Conv", [f(1, 2, 5, 5), f(3, 2, 3, 3), f(3)], pads=[1, 1, 1, 1], strides=[2, 2])
    one("convtranspose", "ConvTranspose", [f(1, 2, 3, 3), f(2, 2, 3, 3)], strides=[2, 2], output_padding=[1, 1])
    one("softmax", "Softmax", [f(2, 3)], axis=-1)
    one("layernorm", "LayerNormalization", [f(2, 4), f(4), f(4)], axis=-1, epsilon=1e-5)
    one("groupnorm", "GroupNormalization", [f(1, 4, 2, 2), f(4), f(4)], num_groups=2)
    one("instancenorm", "InstanceNormalization", [f(1, 2, 3), f(2), f(2)])
    one("batchnorm", "BatchNormalization", [f(1, 2, 3), f(2), f(2), f(2), f(2)])
    one("attention", "Attention", [f(1, 2, 3, 4), f(1, 2, 3, 4), f(1, 2, 3, 4)], outputs=1)
    one("attention3", "Attention", [f(1, 3, 8), f(1, 3, 8), f(1, 3, 8)], q_num_heads=2, kv_num_heads=2)
    one("rotary", "RotaryEmbedding", [f(1, 2, 3, 4), f(3, 2), f(3, 2)])
    one("rms", "RMSNormalization", [f(2, 4), f(4)])
    one("reducesum", "ReduceSum", [f(2, 3, 4), ints(1)], keepdims=0)
    one("argmax", "ArgMax", [f(2, 3)], axis=1)
    one("topk", "TopK", [f(2, 5), ints(3)], outputs=2)
    one("gather", "Gather", [f(3, 4), ints(0, 2)], axis=0)
    one("gathernd", "GatherND", [f(2, 3), ("i", [1, 2], [0, 1])])
    one("gatherelements", "GatherElements", [f(2, 3), ("i", [1, 3], [0, 1, 0])])
    one("scatternd", "ScatterND", [f(4), ("i", [2, 1], [1, 3]), f(2)], reduction="add")
    one("scatterelements", "ScatterElements", [f(3, 3), ("i", [1, 3], [0, 1, 2]), f(1, 3)], axis=0)
    one("reshape", "Reshape", [f(2, 6), ints(3, -1)])
    one("transpose", "Transpose", [f(2, 3, 4)], perm=[2, 0, 1])
    one("slice", "Slice", [f(4, 5), ints(0, 1), ints(3, -1), ints(0, 1), ints(1, 2)])
    one("concat", "Concat", [f(2, 3), f(2, 2)], axis=1)
    one("split", "Split", [f(6, 2), ints(2, 4)], outputs=2, axis=0)
    one("pad", "Pad", [f(2, 3), ints(0, 1, 1, 0)], mode="reflect")
    one("tile", "Tile", [f(2, 3), ints(2, 1)])
    one("expand", "Expand", [f(1, 3), ints(2, 3)])
    one("squeeze", "Squeeze", [f(1, 3), ints(0)])
    one("unsqueeze", "Unsqueeze", [f(3), ints(0, 2)])
    one("where", "Where", [("b", [2, 1]), f(2, 3), f(3)])
    one("constantofshape", "ConstantOfShape", [ints(2, 3)], value=("tensor", tensor("", "f", [1], [1.5])))
    one("range", "Range", [("i", [], [0]), ("i", [], [6]), ("i", [], [2])])
    one("onehot", "OneHot", [ints(0, 2), ("i", [], [3]), ("f", [2], [0.0, 1.0])])
    one("nonzero", "NonZero", [f(2, 3)])
    one("unique", "Unique", [f(5)], outputs=4)
    one("compress", "Compress", [f(3, 2), ("b", [3])], axis=0)
    one("cumsum", "CumSum", [f(2, 3), ("i", [], [1])])
    one("eyelike", "EyeLike", [f(3, 3)], k=1)
    one("trilu", "Trilu", [f(3, 3), ("i", [], [1])])
    one("depthtospace", "DepthToSpace", [f(1, 4, 2, 2)], blocksize=2)
    one("spacetodepth", "SpaceToDepth", [f(1, 1, 4, 4)], blocksize=2)
    one("maxpool", "MaxPool", [f(1, 1, 5, 5)], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    one("averagepool", "AveragePool", [f(1, 1, 5, 5)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    one("lppool", "LpPool", [f(1, 1, 5)], kernel_shape=[2], p=2)
    one("globalaveragepool", "GlobalAveragePool", [f(1, 2, 3, 3)])
    one("maxunpool", "MaxUnpool", [f(1, 1, 2, 2), ("i", [1, 1, 2, 2], [0, 3, 8, 11])], kernel_shape=[2, 2])
    one("resize", "Resize", [f(1, 1, 2, 2), None, ("f", [4], [1.0, 1.0, 2.0, 1.5])], mode="linear")
    one("resize-sizes", "Resize", [f(1, 1, 4, 4), None, None, ints(1, 1, 3, 2)], mode="cubic", antialias=1)
    one("gridsample", "GridSample", [f(1, 1, 3, 3), f(1, 2, 2, 2)], mode="linear")
    one("affinegrid", "AffineGrid", [f(1, 2, 3), ints(1, 1, 2, 2)])
    one("einsum", "Einsum", [f(2, 3), f(3, 4)], equation="ij,jk->ik")
    one("lstm", "LSTM", [f(2, 1, 3), f(1, 8, 3), f(1, 8, 2)], outputs=3, hidden_size=2)
    one("gru", "GRU", [f(2, 1, 3), f(1, 6, 3), f(1, 6, 2)], outputs=2, hidden_size=2)
    one("rnn", "RNN", [f(2, 1, 3), f(2, 2, 3), f(2, 2, 2)], outputs=2, hidden_size=2, direction="bidirectional")
    one("quantize", "QuantizeLinear", [f(2, 3), ("f", [], [0.1]), ("u", [], [128])])
    one("dequantize", "DequantizeLinear", [("u", [2, 3]), ("f", [3], [0.1, 0.2, 0.3]), ("u", [3], [1, 2, 3])], axis=1)
    one("dynamicquantize", "DynamicQuantizeLinear", [f(2, 3)], outputs=3)
    one("matmulinteger", "MatMulInteger", [("u", [2, 3]), ("s", [3, 2])])
    one("convinteger", "ConvInteger", [("u", [1, 1, 3, 3]), ("u", [1, 1, 2, 2])])
    one("nms", "NonMaxSuppression", [f(1, 4, 4), f(1, 1, 4), ("i", [1], [2])])
    one("roialign", "RoiAlign", [f(1, 1, 4, 4), f(1, 4), ("i", [1], [0])], output_height=2, output_width=2)
    one("dft", "DFT", [f(1, 4, 1)], outputs=1)
    one("stft", "STFT", [f(1, 16, 1), ("i", [], [4]), None, ("i", [], [8])])
    one("hann", "HannWindow", [("i", [], [6])])
    one("mel", "MelWeightMatrix", [("i", [], [4]), ("i", [], [8]), ("i", [], [16]), ("f", [], [0.0]), ("f", [], [8.0])])
    one("reversesequence", "ReverseSequence", [f(4, 2), ints(2, 4)])
    one("lrn", "LRN", [f(1, 3, 2, 2)], size=3)
    one("clip", "Clip", [f(3), ("f", [], [0.0]), ("f", [], [1.0])])
    one("mod", "Mod", [("i", [3]), ints(2)])
    one("div", "Div", [("i", [3]), ints(2)])
    one("pow", "Pow", [f(3), ("i", [], [2])])
    one("bitshift", "BitShift", [("u", [3]), ("u", [1], [2])], direction="LEFT")
    one("col2im", "Col2Im", [f(1, 4, 4), ints(3, 3), ints(2, 2)])
    one("centercroppad", "CenterCropPad", [f(3, 4), ints(5, 2)])
    one("det", "Det", [f(2, 2)])
    one("hardmax", "Hardmax", [f(2, 3)])
    one("identity", "Identity", [f(2)])
    one("upsample", "Upsample", [f(1, 1, 2, 2), ("f", [4], [1.0, 1.0, 2.0, 2.0])], opset=9, mode="nearest")
    one("old-slice", "Slice", [f(4, 4)], opset=9, starts=[0, 1], ends=[2, 3], axes=[0, 1])

    branch = graph([node("Add", ["x", "x"], ["t"])], outputs=[output("t")])
    other = graph([node("Neg", ["x"], ["e"])], outputs=[output("e")])
    choice = graph([node("If", ["c"], ["y"], then_branch=("graph", branch), else_branch=("graph", other))],
                   [value("c", "b", []), value("x", "f", [2])], [output("y")])
    body = graph([node("Add", ["v", "v"], ["w"]), node("Identity", ["k"], ["k2"])],
                 [value("i", "i", []), value("k", "b", []), value("v", "f", [2])],
                 [output("k2"), output("w")])
    loop = graph([node("Loop", ["n", "", "x"], ["y"], body=("graph", body))], [value("x", "f", [2])],
                 [output("y")], [tensor("n", "i", [], [3])])
    step = graph([node("Add", ["s", "e"], ["s2"]), node("Identity", ["s2"], ["o"])],
                 [value("s", "f", []), value("e", "f", [])], [output("s2"), output("o")])
    scan = graph([node("Scan", ["s0", "x"], ["s1", "y"], body=("graph", step), num_scan_inputs=1)],
                 [value("s0", "f", []), value("x", "f", [3])], [output("s1"), output("y")])
    square = function("Square", ["a"], ["b"], [node("Mul", ["a", "a"], ["b"])])
    calls = graph([node("Square", ["x"], ["t"], domain="f"), node("Square", ["t"], ["y"], domain="f")],
                  [value("x", "f", [2])], [output("y")])
    scores = graph(
        [node("MatMul", ["q", "k"], ["s"]), node("Mul", ["s", "c"], ["m"]), node("Softmax", ["m"], ["p"], axis=-1),
         node("MatMul", ["p", "v"], ["y"])],
        [value("q", "f", [1, 2, 3, 4]), value("k", "f", [1, 2, 4, 3]), value("v", "f", [1, 2, 3, 4])],
        [output("y")], [tensor("c", "f", [], [0.5])])
    shapes = graph(
        [node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Unsqueeze", ["n", "axis"], ["u"]),
         node("Concat", ["u", "minus"], ["t"], axis=0), node("Reshape", ["x", "t"], ["y"])],
        [value("x", "f", ["batch", 2, 3])], [output("y")],
        [tensor("zero", "i", [], [0]), tensor("axis", "i", [1], [0]), tensor("minus", "i", [1], [-1])])
    for name, body in [("if", choice), ("loop", loop), ("scan", scan), ("function", calls), ("scores", scores),
                       ("shapes", shapes)]:
        extra = ["f"] if name == "function" else []
        data = model(body, functions=[square] if extra else [], extra=extra)
        for target in ("graph", "run"):
            save(target, f"{name}.onnx", data)


# --- the other formats ------------------------------------------------------------------------------------

def safetensors():
    def write(name, header, size):
        data = json.dumps(header).encode()
        save("safetensors", name, struct.pack("<Q", len(data)) + data + bytes(i % 7 for i in range(size)))

    write("two", {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                  "b": {"dtype": "F16", "shape": [3], "data_offsets": [16, 22]}}, 22)
    write("metadata", {"__metadata__": {"format": "pt", "key": "a\\u00e9"},
                       "w": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}, 4)
    write("unaligned", {"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                        "b": {"dtype": "F64", "shape": [1], "data_offsets": [1, 9]},
                        "c": {"dtype": "BF16", "shape": [], "data_offsets": [9, 11]},
                        "d": {"dtype": "I64", "shape": [0, 5], "data_offsets": [11, 11]}}, 11)
    write("empty", {}, 0)


def npy():
    def write(name, descr, shape, size, order=False, version=1):
        header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
        head = b"\x93NUMPY" + bytes([version, 0])
        head += struct.pack("<H" if version == 1 else "<I", len(header))
        save("npy", name, head + header + bytes(i % 5 for i in range(size)))

    for descr in ["<f2", "<f4", ">f8", "|i1", "<i2", ">i4", "<i8", "|u1", "<u2", ">u4", "=u8", "|b1"]:
        write(f"type-{descr[1:]}-{'big' if descr[0] == '>' else 'little'}", descr, "(2, 3)", 6 * int(descr[2]))
    write("fortran", "<f4", "(2, 3, 4)", 96, order=True)
    write("scalar", "<f4", "()", 4, version=2)
    write("vector", "<i8", "(3L,)", 24, version=3)
    write("none", "<f4", "(0, 4)", 0)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def images():
    for path in sorted((FIXTURES / "images").glob("*.png")):
        if path.stat().st_size <= 8 << 10:
            save("png", path.name, path.read_bytes())
    for path in sorted((FIXTURES / "images").glob("*.jpg")):
        if path.stat().st_size <= 8 << 10:
            save("jpeg", path.name, path.read_bytes())
    for depth, color, interlace in [(1, 0, 0), (8, 2, 1), (16, 6, 0), (2, 3, 1), (16, 0, 0), (8, 4, 0)]:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
        head = struct.pack(">IIBBBBB", 3, 2, depth, color, 0, 0, interlace)
        # Enough zero rows for any interlacing.
        rows = bytes(8 * (1 + (3 * depth * channels + 7) // 8))
        data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head)
        if color == 3:
            data += png_chunk(b"PLTE", bytes(range(12))) + png_chunk(b"tRNS", b"\x00\x80")
        data += png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
        save("png", f"small-{color}-{depth}-{interlace}.png", data)


def tokenizers():
    def alphabet():
        spare = 0x100
        for byte in range(256):
            if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte:
                yield chr(byte)
            else:
                yield chr(spare)
                spare += 1

    letters = list(alphabet())
    merges = [("d", "o"), ("do", "g</w>"), ("c", "a"), ("ca", "t</w>")]
    words = letters + [c + "</w>" for c in letters] + [a + b for a, b in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {word: i for i, word in enumerate(words)}
    small = {word: i for i, word in enumerate(["d", "o", "g</w>", "do", "dog</w>", "<|endoftext|>"])}
    lines = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    few = "#version: 0.2\nd o\ndo g</w>\n"
    config = json.dumps({
        "model_max_length": 77, "bos_token": "<|startoftext|>", "pad_token": "!", "unk_token": "<|endoftext|>",
        "eos_token": {"content": "<|endoftext|>", "normalized": True, "lstrip": False},
        "added_tokens_decoder": {"513": {"content": "<|endoftext|>", "special": True}}})
    roles = json.dumps({"pad_token": "<|endoftext|>", "eos_token": {"content": "<|endoftext|>", "normalized": False}})
    whole = json.dumps({
        "model": {"type": "BPE", "vocab": small, "merges": ["d o", ["do", "g</w>"]]},
        "added_tokens": [{"id": 5, "content": "<|endoftext|>", "special": True, "normalized": False}]},
        ensure_ascii=False)
    bundles = {
        "full": [json.dumps(vocab, ensure_ascii=False), lines, config, "", "", "a dog, a cat! it's 12 <|endoftext|>"],
        "small": [json.dumps(small), few, "", roles, "", "dog Dog DOG"],
        "whole": ["", "", config, roles, whole, "dog \u00e9\u0301 \u1112\u1161\u11ab x"],
        "config": [json.dumps(small), few, config, roles, "", "the dog's \u4e00\u4e8c \U0001f600"],
    }
    for name, parts in bundles.items():
        save("tokenizer", name, "\0".join(parts).encode())


def configs():
    for folder in sorted((FIXTURES / "checkpoints").iterdir()):
        names = ["scheduler/scheduler_config.json", "model_index.json", "unet/config.json", "vae/config.json",
                 "text_encoder/config.json", "text_encoder_2/config.json"]
        parts = []
        for name in names:
            path = folder / name
            parts.append(json.dumps(json.loads(path.read_text()), separators=(",", ":")) if path.exists() else "")
        save("config", folder.name, "\0".join(parts).encode())
        save("config", folder.name + "-scheduler", parts[0].encode())
    for name, values in {
        "cosine": {"_class_name": "DDPMScheduler", "beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 50},
        "trained": {"_class_name": "EulerDiscreteScheduler", "trained_betas": [0.1, 0.2, 0.3],
                    "timestep_spacing": "trailing", "use_karras_sigmas": True},
        "rescaled": {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True, "steps_offset": 1,
                     "timestep_spacing": "leading", "prediction_type": "v_prediction", "clip_sample": False},
    }.items():
        save("config", name, json.dumps(values).encode())


if __name__ == "__main__":
    for make in [graphs, safetensors, npy, images, tokenizers, configs]:
        make()
