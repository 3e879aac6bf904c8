"""Measures the embedder beside ONNX Runtime: the same 32-bit weights (all-minilm-l6-v2), the same texts, in turn on the same machine.

Usage: python benches/onnxruntime_embed.py QSEF_BINARY [--rounds N]     (needs onnx, onnxruntime, numpy, safetensors, tokenizers)
With --beside NAME another embedder of qsef is measured in ONNX Runtime's place, such as fastembed:all-minilm-l6-v2-int8.

The network is written as an ONNX graph from the model's own safetensors: embeddings, six layers, mean over the tokens, unit length.
Both get 256 texts of 12 words, one by one, then all together; ONNX Runtime gets them in batches of 32 of about equal length.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

WORDS = "please send the signed contract for my new flat in Lyon to Ann before noon and book a quiet table near station tomorrow".split()


def graph(folder):
    import numpy as np
    from onnx import TensorProto as T, helper as h, numpy_helper
    from safetensors.numpy import load_file

    weights = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    hidden, heads, eps = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]
    nodes, made = [], {}

    def const(name, value):
        made[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(kind, *inputs, out=None, **attributes):
        out = out or f"n{len(nodes)}"
        nodes.append(h.make_node(kind, list(inputs), [out], **attributes))
        return out

    def linear(x, name):
        w, b = weights[name + ".weight"], weights[name + ".bias"]
        return op("Add", op("MatMul", x, const(name + ".w", w.T)), const(name + ".b", b))

    def norm(x, name):
        return op("LayerNormalization", x, const(name + ".s", weights[name + ".weight"]), const(name + ".o", weights[name + ".bias"]), axis=-1, epsilon=eps)

    words = op("Gather", const("words", weights["embeddings.word_embeddings.weight"]), "ids")
    places = op("Gather", const("places", weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]), "positions")
    x = norm(op("Add", words, places), "embeddings.LayerNorm")
    split = const("split", np.array([0, 0, heads, hidden // heads]))
    join = const("join", np.array([0, 0, hidden]))
    scale = const("scale", np.array((hidden // heads) ** -0.5, np.float32))
    for i in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{i}."
        q, k, v = (op("Reshape", linear(x, at + "attention.self." + part), split) for part in ("query", "key", "value"))
        q, v = (op("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
        k = op("Transpose", k, perm=[0, 2, 3, 1])
        scores = op("Add", op("Mul", op("MatMul", q, k), scale), "hide")
        mixed = op("Transpose", op("MatMul", op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = norm(op("Add", x, linear(op("Reshape", mixed, join), at + "attention.output.dense")), at + "attention.output.LayerNorm")
        inner = op("Gelu", linear(x, at + "intermediate.dense"))
        x = norm(op("Add", x, linear(inner, at + "output.dense")), at + "output.LayerNorm")
    total = op("ReduceSum", op("Mul", x, "mask"), const("axis", np.array([1])), keepdims=0)
    op("LpNormalization", total, out="vectors", axis=-1, p=2)
    inputs = [("ids", T.INT64, ["b", "t"]), ("positions", T.INT64, ["t"]), ("hide", T.FLOAT, ["b", 1, 1, "t"]), ("mask", T.FLOAT, ["b", "t", 1])]
    body = h.make_graph(nodes, "minilm", [h.make_tensor_value_info(*i) for i in inputs], [h.make_tensor_value_info("vectors", T.FLOAT, ["b", hidden])], list(made.values()))
    return h.make_model(body, opset_imports=[h.make_opsetid("", 20)], ir_version=9).SerializeToString()


def peer(folder, texts):
    import numpy as np
    import onnxruntime as ort
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    options = ort.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    session = ort.InferenceSession(graph(folder), options)

    def embed(some):
        ids = [e.ids for e in tokenizer.encode_batch(some)]
        longest = max(map(len, ids))
        mask = np.array([[1.0] * len(i) + [0.0] * (longest - len(i)) for i in ids], np.float32)
        padded = np.array([i + [0] * (longest - len(i)) for i in ids], np.int64)
        given = {"ids": padded, "positions": np.arange(longest), "hide": ((1 - mask) * -1e9)[:, None, None, :], "mask": mask[:, :, None]}
        return session.run(None, given)[0]

    embed(texts[:1])
    alone, together = [], []
    for _ in range(3):
        each = []
        for text in texts:
            began = time.perf_counter()
            embed([text])
            each.append(1000 * (time.perf_counter() - began))
        alone.append(statistics.median(each))
        began = time.perf_counter()
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), 32):
            embed(ordered[start : start + 32])
        together.append(len(texts) / (time.perf_counter() - began))
    return {"ms_per_text": min(alone), "texts_per_s": max(together), "vector": embed(texts[:1])[0].tolist()}


if sys.argv[1] == "--peer":
    print(json.dumps(peer(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).read_text().splitlines())))
    sys.exit()

parser = argparse.ArgumentParser()
parser.add_argument("qsef")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--beside", metavar="NAME")
args = parser.parse_args()
folder = subprocess.run([args.qsef, "models", "pull", "all-minilm-l6-v2"], capture_output=True, text=True, check=True).stdout.strip()
with tempfile.NamedTemporaryFile("w", suffix=".txt") as texts:
    chance = random.Random(1)
    texts.write("\n".join(" ".join(chance.choices(WORDS, k=12)) for _ in range(256)))
    texts.flush()
    run = lambda *command: json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(run(args.qsef, "bench", "embed", "--texts", texts.name, "--json"))
        beside = [args.qsef, "bench", "embed", "--texts", texts.name, "--json", "--model", args.beside]
        theirs.append(run(*beside) if args.beside else run(sys.executable, __file__, "--peer", folder, texts.name))
for key in ("ms_per_text", "texts_per_s"):
    ratios = [a[key] / b[key] for a, b in zip(ours, theirs)]
    a, b = (statistics.median(r[key] for r in rows) for rows in (ours, theirs))
    print(f"{key:12} qsef {a:8.2f}   {args.beside or "ONNX Runtime"} {b:8.2f}   ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
