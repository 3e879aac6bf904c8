"""Measures a backend, the embedded one unless told otherwise, beside llama.cpp: the same GGUF file, threads and numbers of tokens, in turn on the same machine.

Usage: python benches/llama_cpp.py QSEF_BINARY [--model NAME]... [--backend PREFIX] [--rounds N] [--plans CASES.jsonl [--limit N]]     (needs the wheel xllamacpp)

Without --plans: loading, prompt and generation. With it: a plan for each request, with the planner's own messages and JSON
Schema; llama.cpp's server gets the messages and the schema over its API, with its prompt cache on and a first plan that does not
count, as here. Each measurement is a process of its own, alone on the machine: engines that run at the same time starve each other.
Prints the median of the rounds per engine and, of the rounds' ratios, the median, the least and the greatest.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from llama_server import Server

PROMPT, NEW = 256, 64
TEXT = "The quick brown fox jumps over the lazy dog. "


def generate(path):
    server = Server(path)
    words = server.post("/tokenize", {"content": TEXT})["tokens"]
    prompt = (words * PROMPT)[:PROMPT]
    made = server.post("/completion", {"prompt": prompt, "n_predict": NEW, "temperature": 0, "ignore_eos": True, "cache_prompt": False})
    status = pathlib.Path("/proc/self/status").read_text()
    rss = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024 / 1e6
    timings = made["timings"]
    return {"load_s": server.load_s, "prefill_tok_s": timings["prompt_per_second"], "decode_tok_s": timings["predicted_per_second"], "peak_rss_mb": rss}


def plans(path, questions):
    server = Server(path)
    rows = []
    for question in questions[:1] + questions:
        schema = {"type": "json_schema", "json_schema": {"name": "plan", "schema": question["schema"]}}
        body = {"messages": question["messages"], "response_format": schema, "temperature": 0, "max_tokens": question["max_tokens"], "cache_prompt": True}
        began = time.time()
        made = server.post("/v1/chat/completions", body)
        seconds = time.time() - began
        answer = made["choices"][0]["message"]["content"]
        json.loads(answer)
        rows.append({"seconds": seconds, "answer": answer, "new_tokens": made["usage"]["completion_tokens"], **made["timings"]})
    rows = rows[1:]
    mean = lambda key: statistics.mean(r[key] for r in rows)
    return {"mean": {"seconds": mean("seconds"), "read_s": mean("prompt_ms") / 1000, "write_s": mean("predicted_ms") / 1000, "read_tokens": mean("prompt_n"), "new_tokens": mean("new_tokens")}, "plans": rows}


def run(command, **more):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, **more)
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(key, ours, theirs):
    ratios = [a / b for a, b in zip(ours, theirs)]
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"  {key:14} qsef {a:9.3f}   llama.cpp {b:9.3f}   ratio {statistics.median(ratios):5.3f} ({min(ratios):.3f} to {max(ratios):.3f})", flush=True)


if sys.argv[1] == "--one":
    server = generate(sys.argv[2]) if len(sys.argv) == 3 else plans(sys.argv[2], json.loads(sys.stdin.read()))
    print(json.dumps(server), flush=True)
    os._exit(0)

parser = argparse.ArgumentParser()
parser.add_argument("qsef")
parser.add_argument("--model", action="append")
parser.add_argument("--backend", default="", help="what to put before the model's name, such as llamacpp: in a build with that backend")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--plans")
parser.add_argument("--limit", type=int, default=10**9)
args = parser.parse_args()
for model in args.model or ["qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"]:
    folder = subprocess.run([args.qsef, "models", "pull", model], capture_output=True, text=True, check=True).stdout.strip()
    path = next(str(p) for p in pathlib.Path(folder).iterdir() if p.suffix == ".gguf")
    ours, theirs = [], []
    if args.plans:
        planning = [args.qsef, "bench", "plan", "--cases", args.plans, "--limit", args.limit, "--model", args.backend + model, "--json"]
        for _ in range(args.rounds):
            ours.append(run(planning))
            questions = json.dumps([p["question"] for p in ours[-1]["plans"]])
            theirs.append(run([sys.executable, __file__, "--one", path, "plans"], input=questions))
        plain = run(planning + ["--plain"])
        same = sum(a["answer"] == b["answer"] for a, b in zip(ours[-1]["plans"], plain["plans"]))
        alike = sum(json.loads(a["answer"]) == json.loads(b["answer"]) for a, b in zip(ours[-1]["plans"], theirs[-1]["plans"]))
        print(f"{model}: {len(plain['plans'])} plans, {args.rounds} rounds, {os.cpu_count()} threads, means")
        print(f"  same text as without guessed tokens ({plain['mean']['seconds']:.2f} s): {same}; same plan as llama.cpp's: {alike}")
        for key in ["seconds", "read_s", "write_s", "read_tokens", "new_tokens"]:
            compare(key, [r["mean"][key] for r in ours], [r["mean"][key] for r in theirs])
        median = lambda r: statistics.median(p["seconds"] for p in r["plans"])
        compare("median seconds", [median(r) for r in ours], [median(r) for r in theirs])
    else:
        bench = [args.qsef, "bench", "generate", "--model", args.backend + model, "--prompt-tokens", PROMPT, "--new-tokens", NEW, "--json"]
        for _ in range(args.rounds):
            ours.append(run(bench))
            theirs.append(run([sys.executable, __file__, "--one", path]))
        print(f"{model}: {PROMPT} + {NEW} tokens, {args.rounds} rounds, {os.cpu_count()} threads")
        for key in theirs[0]:
            compare(key, [r[key] for r in ours], [r[key] for r in theirs])
