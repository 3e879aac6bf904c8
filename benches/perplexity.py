"""Writes what llama.cpp thinks of a fixed text, token by token, for the test that compares perplexities.

Usage: python benches/perplexity.py GGUF TEXT.txt > crates/qsef-candle/tests/data/perplexity-NAME.json     (needs the wheel xllamacpp)

llama.cpp's server tells only what may come next, so each token is asked for by itself; its prompt cache makes that cheap.
"""

import json
import math
import pathlib
import sys

from llama_server import Server

server = Server(sys.argv[1])
text = pathlib.Path(sys.argv[2]).read_text()
tokens = server.post("/tokenize", {"content": text})["tokens"]
logprobs = []
for place in range(1, len(tokens)):
    body = {"prompt": tokens[:place], "n_predict": 1, "temperature": 0, "n_probs": 150000, "cache_prompt": True, "post_sampling_probs": False}
    top = server.post("/completion", body)["completion_probabilities"][0]["top_logprobs"]
    logprobs.append(next(t["logprob"] for t in top if t["id"] == tokens[place]))
print(json.dumps({"tokens": tokens, "logprobs": [round(p, 5) for p in logprobs]}), flush=True)
print(f"{len(tokens)} tokens, perplexity {math.exp(-sum(logprobs) / len(logprobs)):.4f}", file=sys.stderr, flush=True)
