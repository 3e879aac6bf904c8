"""Writes embeddings.json: reference vectors of all-MiniLM-L6-v2, computed with numpy in float32 from the same files.

Independent of candle: plain numpy over the safetensors, tokens by the `tokenizers` package.
Usage: python make_embeddings.py MODEL_DIR > embeddings.json   (needs numpy, safetensors, tokenizers)
"""

import json
import math
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

folder = sys.argv[1]
weights = load_file(f"{folder}/model.safetensors")
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(256)
erf = np.vectorize(math.erf)


def norm(x, name):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-12) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def embed(text):
    ids = tokenizer.encode(text).ids
    n = len(ids)
    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.position_embeddings.weight"][:n]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for i in range(6):
        p = f"encoder.layer.{i}."
        q, k, v = (linear(x, f"{p}attention.self.{a}").reshape(n, 12, 32).swapaxes(0, 1) for a in ("query", "key", "value"))
        a = q @ k.swapaxes(1, 2) / math.sqrt(32)
        a = np.exp(a - a.max(-1, keepdims=True))
        o = (a / a.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(n, 384)
        x = norm(x + linear(o, f"{p}attention.output.dense"), f"{p}attention.output.LayerNorm")
        h = linear(x, f"{p}intermediate.dense")
        h = h * 0.5 * (1 + erf(h / math.sqrt(2)))
        x = norm(x + linear(h, f"{p}output.dense"), f"{p}output.LayerNorm")
    e = x.mean(0)
    return e / np.linalg.norm(e)


texts = [
    "Convert 3 km to miles",
    "The quick brown fox jumps over the lazy dog.",
    "什么是光合作用？請用三句話說明。",
    "",
    "naïve café — “quotes” & symbols: <b>½</b> 🚀",
    "def add(a, b):\n    return a + b",
    "Photosynthesis turns light into chemical energy. " * 60,
]
rows = [{"text": t, "vector": [round(float(v), 6) for v in embed(t)]} for t in texts]
json.dump(rows, sys.stdout, ensure_ascii=False)
