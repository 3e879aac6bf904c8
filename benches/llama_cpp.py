"""Measures this decoder beside llama.cpp: the same GGUF file, the same numbers of tokens, in turn on the same machine.

Usage: python benches/llama_cpp.py QSEF_BINARY [MODEL...]     (needs the wheel xllamacpp)

Each measurement is a process of its own, alone on the machine: engines that run at the same time starve each other. Prints the
median of ROUNDS per engine and the ratio of the medians.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.request

PROMPT, NEW, ROUNDS = 256, 64, 3
TEXT = "The quick brown fox jumps over the lazy dog. "


def llama(path):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = os.cpu_count()
    params.warmup = False
    began = time.time()
    server = xllamacpp.Server(params)
    load = time.time() - began

    def post(where, body):
        data = json.dumps(body).encode()
        request = urllib.request.Request(server.listening_address + where, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    words = post("/tokenize", {"content": TEXT})["tokens"]
    prompt = (words * PROMPT)[:PROMPT]
    made = post("/completion", {"prompt": prompt, "n_predict": NEW, "temperature": 0, "ignore_eos": True, "cache_prompt": False})
    status = pathlib.Path("/proc/self/status").read_text()
    rss = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024 / 1e6
    timings = made["timings"]
    return {"load_s": load, "prefill_tok_s": timings["prompt_per_second"], "decode_tok_s": timings["predicted_per_second"], "peak_rss_mb": rss}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


if sys.argv[1] == "--one":
    print(json.dumps(llama(sys.argv[2])))
    sys.exit()

qsef = sys.argv[1]
for model in sys.argv[2:] or ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"]:
    folder = subprocess.run([qsef, "models", "pull", model], capture_output=True, text=True, check=True).stdout.strip()
    path = next(str(p) for p in pathlib.Path(folder).iterdir() if p.suffix == ".gguf")
    bench = [qsef, "bench", "generate", "--model", model, "--prompt-tokens", str(PROMPT), "--new-tokens", str(NEW), "--json"]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(run(bench))
        theirs.append(run([sys.executable, __file__, "--one", path]))
    print(f"{model}: {PROMPT} + {NEW} tokens, median of {ROUNDS}, {os.cpu_count()} threads")
    for key in ours[0]:
        a, b = (statistics.median(r[key] for r in rows) for rows in (ours, theirs))
        print(f"  {key:14} qsef {a:9.2f}   llama.cpp {b:9.2f}   ratio {a / b:5.2f}", flush=True)
