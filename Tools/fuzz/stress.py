#!/usr/bin/env python3
"""Writes large hostile files, just under 1 MB: what random changes to small files do not reach.

Usage: stress.py FOLDER    (FOLDER/TARGET/… is written; .build-fuzz/release/dsd-fuzz times each)
"""
import json
import struct
import sys
import zlib
from pathlib import Path

from seeds import function, graph, model, node, number, output, png_chunk, tensor, text, value

folder = Path(sys.argv[1])
LIMIT = 1 << 20


def write(target, name, data):
    assert len(data) <= LIMIT, (name, len(data))
    (folder / target).mkdir(parents=True, exist_ok=True)
    (folder / target / name).write_bytes(data)


def short(i):
    digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    name = ""
    while True:
        name += digits[i % 62]
        i //= 62
        if i == 0:
            return name


x = value("x", "f", [2, 2])


def graphs():
    def save(name, data):
        write("graph", name, data)

    n = 40000
    save("chain", model(graph([node("Relu", [f"x{short(i)}" if i else "x"], [f"x{short(i + 1)}"]) for i in range(n)],
                              [x], [output(f"x{short(n)}")])))
    fan = [node("Neg", ["x"], ["_" + short(i)]) for i in range(n)]
    save("fan", model(graph(fan + [node("Sum", ["_" + short(i) for i in range(n)], ["y"])], [x], [output("y")])))
    save("outputs", model(graph([node("Neg", ["x"], ["_" + short(i)]) for i in range(n)], [x],
                                [output("_" + short(i)) for i in range(n)])))
    save("same-name", model(graph([node("Neg", ["x"], [short(i) + "."]) + text(3, "n") for i in range(n)], [x],
                                  [output("a.")])))
    pairs = []
    for i in range(8000):
        a, b, c = ("x" if i == 0 else f"c{i - 1}"), f"b{i}", f"c{i}"
        pairs += [node("Transpose", [a], [b], perm=[1, 0]), node("Transpose", [b], [c], perm=[1, 0])]
    save("transposes", model(graph(pairs, [x], [output("c7999")])))
    gates = []
    for i in range(9000):
        a, b, c = ("x" if i == 0 else f"c{i - 1}"), f"b{i}", f"c{i}"
        gates += [node("Sigmoid", [a], [b]), node("Mul", [a, b], [c])]
    save("silu", model(graph(gates, [x], [output("c8999")])))
    linear = []
    for i in range(8000):
        a, b, c = ("x" if i == 0 else f"c{i - 1}"), f"b{i}", f"c{i}"
        linear += [node("MatMul", [a, "w"], [b]), node("Add", [b, "v"], [c])]
    weights = [tensor("w", "f", [2, 2], [1, 0, 0, 1]), tensor("v", "f", [2], [0, 0])]
    save("linear", model(graph(linear, [x], [output("c7999")], weights)))
    save("inputs", model(graph([node("Sum", ["x"] * 300000, ["y"])], [x], [output("y")])))
    save("absent", model(graph([node("Sum", [""] * 400000, ["y"])], [x], [output("y")])))
    save("axes", model(graph([node("Identity", ["x"], ["y"])], [value("x", "f", [1] * 200000)], [output("y")])))
    save("rank", model(graph([node("Add", ["x", "c"], ["y"])], [value("x", "f", [1])], [output("y")],
                             [tensor("c", "f", [1] * 300000, [1.0])])))
    ones = tensor("s", "i", [8000], [1] * 8000)
    save("reshape", model(graph([node("Reshape", ["c", "s"], ["y"]), node("Transpose", ["y"], ["z"])], [],
                                [output("z")], [ones, tensor("c", "f", [1], [1.0])])))
    save("unsqueeze", model(graph([node("Unsqueeze", ["x", "s"], ["y"]), node("Add", ["y", "y"], ["z"])], [x],
                                  [output("z")], [tensor("s", "i", [8000], list(range(8000)))])))
    save("attributes", model(graph([node("Relu", ["x"], ["y"]) + b"".join(
        text(5, text(1, short(i)) + number(3, 1) + number(20, 2)) for i in range(60000))], [x], [output("y")])))
    save("ints", model(graph([node("Transpose", ["x"], ["y"], perm=[0] * 400000)], [x], [output("y")])))
    save("shapes", model(graph([node("ConstantOfShape", ["s"], ["c" + short(i)]) for i in range(30000)]
                               + [node("Identity", ["x"], ["y"])], [x], [output("y")],
                               [tensor("s", "i", [1], [16000])])))
    # Functions that call each other twice: 2^n nodes.
    calls = [function("F0", ["a"], ["b"], [node("Neg", ["a"], ["b"])])]
    for i in range(1, 40):
        calls.append(function(f"F{i}", ["a"], ["b"], [node(f"F{i - 1}", ["a"], ["t"], domain="f"),
                                                      node(f"F{i - 1}", ["t"], ["b"], domain="f")]))
    save("double", model(graph([node("F39", ["x"], ["y"], domain="f")], [x], [output("y")]), functions=calls,
                         extra=["f"]))
    flat = function("F", ["a"], ["b"], [node("Neg", ["a"], [f"t{i}"]) for i in range(1000)] + [node("Neg", ["a"], ["b"])])
    save("calls", model(graph([node("F", ["x"], [f"y{i}"], domain="f") for i in range(20000)], [x], [output("y0")]),
                        functions=[flat], extra=["f"]))
    # Bodies inside bodies.
    body = graph([node("Neg", ["x"], ["z"])], outputs=[output("z")])
    for i in range(60):
        other = graph([node("Neg", ["x"], ["w"])], outputs=[output("w")])
        body = graph([node("If", ["c"], ["z"], then_branch=("graph", body), else_branch=("graph", other))],
                     outputs=[output("z")])
        if i in (20, 23, 59):
            save(f"bodies-{i}", model(graph([node("If", ["c"], ["y"], then_branch=("graph", body),
                                                  else_branch=("graph", other))],
                                            [value("c", "b", []), x], [output("y")])))
    wide = graph([node("Neg", ["x" if i == 0 else f"_{short(i - 1)}"], ["_" + short(i)]) for i in range(15000)],
                 outputs=[output("_" + short(14999))])
    for i in range(20):
        wide = graph([node("If", ["c"], ["z" + short(i)], then_branch=("graph", wide), else_branch=("graph", other))],
                     outputs=[output("z" + short(i))])
    save("deep-wide", model(graph([node("If", ["c"], ["y"], then_branch=("graph", wide), else_branch=("graph", other))],
                                  [value("c", "b", []), x], [output("y")])))
    step = graph([node("Identity", ["k"], ["k2"]), node("Neg", ["v"], ["v2"])],
                 [value("i", "i", []), value("k", "b", []), text(1, "v")], [output("k2"), output("v2")])
    for _ in range(20):
        step = graph([node("Identity", ["k"], ["k2"]), node("Loop", ["", "k", "v"], ["v2"], body=("graph", step))],
                     [value("i", "i", []), value("k", "b", []), text(1, "v")], [output("k2"), output("v2")])
    save("loops", model(graph([node("Loop", ["", "c", "x"], ["y"], body=("graph", step))],
                              [value("c", "b", []), x], [output("y")])))
    save("undefined", model(graph([node("Add", ["u" + short(i), "w" + short(i)], ["z" + short(i)]) for i in range(30000)],
                                  [x], [output("za")])))
    save("cycle", model(graph([node("Neg", [f"z{short((i + 1) % 40000)}"], ["z" + short(i)]) for i in range(40000)],
                              [x], [output("za")])))
    save("reversed", model(graph([node("Neg", [f"z{short(i + 1)}" if i < 39999 else "x"], ["z" + short(i)])
                                  for i in range(40000)], [x], [output("za")])))
    save("value-infos", model(graph([node("Neg", ["x"], ["y"])], [x], [output("y")])
                              + b"".join(text(13, value("v" + short(i), "f", [1])) for i in range(40000))))
    save("metadata", model(graph([node("Neg", ["x"], ["y"])], [x], [output("y")]))
         + b"".join(text(14, text(1, short(i)) + text(2, "v")) for i in range(80000)))
    save("nested-protos", deep_message())
    equation = ",".join("abcdefghijklmnopqrstuvwxyz"[:20] for _ in range(4000)) + "->a"
    save("einsum", model(graph([node("Einsum", ["x"] * 4000, ["y"], equation=equation)], [value("x", "f", [2] * 20)],
                               [output("y")])))


def deep_message():
    data = b""
    for _ in range(300):
        data = text(5, text(6, data))  # attribute > graph
        data = text(1, data)
    return text(7, data)


def weights():
    def header(values, size=0):
        data = values if isinstance(values, bytes) else json.dumps(values, separators=(",", ":")).encode()
        return struct.pack("<Q", len(data)) + data + bytes(size)

    write("safetensors", "entries", header({short(i): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
                                           for i in range(16000)}))
    write("safetensors", "shared", header({short(i): {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
                                          for i in range(16000)}, 1))
    write("safetensors", "nested", header(b"[" * 1000000))
    write("safetensors", "unknown", header(b'{"a":{"x":' + b"[" * 60 + b"1," * 400000 + b"1" + b"]" * 60 + b"}}"))
    write("safetensors", "long-name", header({"a" * 900000: {"dtype": "U8", "shape": [1], "data_offsets": [0, 9]}}))
    write("safetensors", "metadata", header({"__metadata__": {short(i): "" for i in range(100000)}}))

    def npy(name, descr, shape, order, size, version=2):
        text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
        write("npy", name, b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<I", len(text)) + text + bytes(size))

    npy("fortran", "|u1", "(" + "2, " * 19 + ")", True, 1 << 19)
    npy("fortran-64", "|u1", "(" + "1, " * 63 + "900000,)", True, 900000)
    npy("axes", "|u1", "(" + "1, " * 300000 + ")", True, 1)
    npy("empty-huge", "|u1", "(0, 9223372036854775807)", True, 0)
    npy("spaces", "|u1", "(" + " " * 1000000 + "1,)", False, 1)


def images():
    def png(name, width, height, depth, color, interlace):
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
        head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
        packer = zlib.compressobj(9)
        rows = (1 + (width * depth * channels + 7) // 8) * height + 16 * height * interlace
        data = b"".join(packer.compress(bytes(min(1 << 20, rows - i))) for i in range(0, rows, 1 << 20)) + packer.flush()
        palette = png_chunk(b"PLTE", bytes(6)) if color == 3 else b""
        whole = (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + palette + png_chunk(b"IDAT", data)
                 + png_chunk(b"IEND", b""))
        if len(whole) <= LIMIT:
            write("png", name, whole)
        else:
            print(name, "would be", len(whole))

    png("bomb-rgb", 6600, 6600, 8, 2, 0)
    png("bomb-rgb-large", 13000, 13000, 8, 2, 0)
    png("bomb-rgba16-interlaced", 6600, 6600, 16, 6, 1)
    png("bomb-grey1", 13300, 13300, 1, 0, 0)
    png("bomb-grey1-half", 6680, 6680, 1, 0, 1)
    png("bomb-palette", 6680, 6680, 8, 3, 1)
    write("png", "text", b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
         + b"".join(png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1000000))) for _ in range(900))
         + png_chunk(b"IDAT", zlib.compress(bytes(4))) + png_chunk(b"IEND", b""))

    # A progressive JPEG whose every scan is one run of empty blocks.
    def segment(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    for name, side, scans, frame in [("scans", 6000, 400, 0xC2), ("scans-small", 2000, 450, 0xC2),
                                     ("scans-1", 6600, 1, 0xC2)]:
        data = b"\xff\xd8" + segment(0xDB, b"\0" + bytes([1] * 64))
        data += segment(frame, struct.pack(">BHHB", 8, side, side, 3) + b"\1\x11\0\2\x11\0\3\x11\0")
        # Codes: 0 → category 0 (DC); AC: 0 → EOB run of 2^14.
        data += segment(0xC4, b"\0" + bytes([1] + [0] * 15) + b"\0")
        data += segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\xe0")
        blocks = ((side + 7) // 8) ** 2
        data += segment(0xDA, b"\3\1\0\2\0\3\0\0\0\0") + bytes((blocks * 3 + 7) // 8)
        runs = bytes((blocks // 16384 + 2) * 15 // 8 + 2)
        for _ in range(scans):
            data += segment(0xDA, b"\1\1\0\1\x3f\0") + runs
        data += b"\xff\xd9"
        write("jpeg", name, data[:LIMIT])


def folders():
    def bundle(target, name, parts):
        write(target, name, "\0".join(parts).encode())

    many = {short(i): i for i in range(60000)}
    bundle("tokenizer", "vocabulary", [json.dumps(many, separators=(",", ":")), "a b\n", "", "", "", "x" * 8000])
    run = {"a" * (i + 1): i for i in range(1200)} | {"a" * (i + 1) + "</w>": 2000 + i for i in range(100)}
    merges = "".join(f"{'a' * i} a\n" for i in range(1, 400))
    bundle("tokenizer", "merges", [json.dumps(run), merges, "", "", "", "a" * 8192])
    added = {str(i): {"content": "<" + "<" * (i % 300)} for i in range(5000)}
    bundle("tokenizer", "added", [json.dumps({"a": 0, "<|endoftext|>": 1}), "a a\n",
                                  json.dumps({"added_tokens_decoder": added}), "", "", "<" * 8192])
    bundle("tokenizer", "combining", [json.dumps({"a": 0, "<|endoftext|>": 1}), "", "", "", "", "a" + "\u0301" * 8000])
    bundle("tokenizer", "roles", [json.dumps({"a": 0}), "", json.dumps({"pad_token": "!" * 500000}), "", "", "!"])
    bundle("config", "betas", [json.dumps({"_class_name": "DDPMScheduler", "trained_betas": [0.1] * 150000})])
    bundle("config", "steps", [json.dumps({"_class_name": "DDPMScheduler", "num_train_timesteps": 1000000,
                                           "rescale_betas_zero_snr": True, "beta_schedule": "squaredcos_cap_v2"})])
    bundle("config", "keys", [json.dumps({short(i): i for i in range(60000)})])
    bundle("config", "duplicates", ['{' + '"a":1,' * 150000 + '"a":1}'])
    bundle("config", "lines", ["\n" * 900000 + "{"])
    base = Path(__file__).resolve().parents[2] / "Tests/Fixtures/checkpoints/sd15"
    names = ["scheduler/scheduler_config.json", "model_index.json", "unet/config.json", "vae/config.json",
             "text_encoder/config.json"]
    files = [json.loads((base / name).read_text()) for name in names]

    def changed(name, position, **values):
        parts = [json.dumps(f | values if i == position else f) for i, f in enumerate(files)] + [""]
        bundle("config", name, parts)

    changed("layers", 2, layers_per_block=1024)
    changed("text-layers", 4, num_hidden_layers=1024)
    changed("transformers", 2, transformer_layers_per_block=1024, layers_per_block=64)
    changed("blocks", 2, block_out_channels=[32] * 1000, down_block_types=["CrossAttnDownBlock2D"] * 1000,
            up_block_types=["CrossAttnUpBlock2D"] * 1000)
    changed("vae-layers", 3, layers_per_block=1024)


graphs()
weights()
images()
folders()
