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
    # Most tokens are among the likely ones; to send all takes longer than the model does.
    for likely in (1000, 200000):
        body = {"prompt": tokens[:place], "n_predict": 1, "temperature": 0, "n_probs": likely, "cache_prompt": True, "post_sampling_probs": False}
        told = server.post("/completion", body).get("completion_probabilities", [])
        found = [t["logprob"] for first in told for t in first["top_logprobs"] if t["id"] == tokens[place]]
        if found:
            break
    # Nothing is told where what it would write itself is part of a character: null.
    logprobs.append(round(found[0], 5) if found else None)
print(json.dumps({"tokens": tokens, "logprobs": logprobs}), flush=True)
known = [p for p in logprobs if p is not None]
print(f"{len(tokens)} tokens, perplexity {math.exp(-sum(known) / len(known)):.4f}", file=sys.stderr, flush=True)
