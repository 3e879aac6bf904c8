"""Writes greedy.json: what llama.cpp continues each prompt with, greedily, for the decoder's tests.

Run with a Python that has `xllamacpp`:  python make_references.py DIR
where DIR holds q05.gguf (Qwen2.5-Coder-0.5B-Instruct Q4_K_M), q15.gguf (the 1.5B) and smol.gguf (SmolLM2-135M Q4_1).
"""

import json
import pathlib
import sys
import urllib.request

import xllamacpp

CHATS = [
    "Write a Python function that returns the n-th Fibonacci number.",
    "Tell me three facts about Paris.",
    "Write a short story about a fox and a crow.",
    "How do I boil an egg? Give me numbered steps.",
    "Explain in two sentences why the sky is blue.",
    "Explain what a hash map is and when to use one.",
    "Übersetze ins Englische: 「今日は」 und 12345 Äpfel 🦀",
]
NEW = 32


def post(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def references(path):
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.warmup = False
    params.use_jinja = True
    server = xllamacpp.Server(params)
    url = server.listening_address
    cases = []
    for chat in CHATS:
        prompt = post(url, "/apply-template", {"messages": [{"role": "user", "content": chat}]})["prompt"]
        tokens = post(url, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        made = post(url, "/completion", {
            "prompt": tokens, "n_predict": NEW, "temperature": 0, "top_k": 1, "samplers": ["top_k"],
            "return_tokens": True, "cache_prompt": False, "n_probs": 2,
        })
        probs = made["completion_probabilities"]
        gaps = []
        for p in probs:
            top = p.get("top_logprobs", [])
            gaps.append(round(top[0]["logprob"] - top[1]["logprob"], 3) if len(top) > 1 else None)
        cases.append({"message": chat, "prompt": prompt, "prompt_tokens": tokens, "new_tokens": made["tokens"], "gaps": gaps})
        print(path.name, chat, made["content"][:60].encode(), min((g for g in gaps if g is not None), default=None))
    return cases


out = {name: references(pathlib.Path(sys.argv[1]) / f"{name}.gguf") for name in sys.argv[2:] or ["q05", "q15", "smol"]}
pathlib.Path(__file__).with_name("greedy.json").write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")
