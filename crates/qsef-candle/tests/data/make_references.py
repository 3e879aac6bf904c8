"""Writes greedy.json: what llama.cpp continues each prompt with, greedily, for the decoder's tests.

Usage: python make_references.py DIR [MODEL...]     (needs xllamacpp)
where DIR holds q05.gguf (Qwen2.5-Coder-0.5B-Instruct Q4_K_M), q15.gguf (the 1.5B) and smol.gguf (SmolLM2-135M Q4_1).

Two correct engines differ where the two best tokens are nearly equal: both round activations to 8 bits, in blocks of
different sizes and sums of different order. So a prompt is taken where llama.cpp alone is sure: at each of the tokens its
best is at least MARGIN (in ln p) above its second. The candidates are tried in this order and the first COUNT that hold
are kept; this decoder has no part in the choice.
"""

import json
import pathlib
import sys
import urllib.request

import xllamacpp

CANDIDATES = [
    "Write a Python function that returns the n-th Fibonacci number.",
    "Tell me three facts about Paris.",
    "Count from 1 to 15, separated by commas.",
    "List the days of the week.",
    "Repeat exactly: The quick brown fox jumps over the lazy dog, 12345 times.",
    "Write hello world in Rust.",
    "Write hello world in C.",
    "What are the first ten letters of the alphabet?",
    "Übersetze ins Englische: 「今日は」 und 12345 Äpfel 🦀",
    "用中文写出一到十的数字。",
    "List the months of the year.",
    'Repeat this JSON exactly: {"name": "Ann", "age": 41, "tags": ["a", "b", "c"]}',
    "Write a Python loop that prints the numbers from 0 to 9.",
    "Spell the word 'elephant' letter by letter, with hyphens.",
    "Write a SQL query that selects all rows of the table users.",
    "Count down from 20 to 1, separated by spaces.",
    "Repeat three times, one per line: qsef runs on your machine.",
    "Write the multiplication table of 3 from 3x1 to 3x10.",
    "Name the planets of the solar system in order from the sun.",
    "Write a JavaScript function add(a, b) that returns the sum.",
    "Count from 100 to 120, separated by spaces.",
    "Write the even numbers from 2 to 30, separated by commas.",
    "Repeat exactly: 3.14159 26535 89793 23846 26433 83279",
    "Repeat exactly: 春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    "Repeat this list exactly: apple, pear, plum, cherry, grape, melon, lemon, fig",
    "Convert this list to JSON: red, green, blue",
    "Write the first sentence of the Universal Declaration of Human Rights.",
    "Repeat exactly: SELECT name, age FROM users WHERE age > 30 ORDER BY name;",
    "Repeat exactly: fn main() { println!(\"Hello, world!\"); }",
    "Repeat exactly: one two three four five six seven eight nine ten",
    "Write the lower-case alphabet, separated by spaces.",
    "Repeat exactly: https://example.org/a/b?c=1&d=2#e",
    "Count from 1 to 10 in words, separated by commas.",
    "Repeat exactly: A B C D E F G H I J K L M N O P",
    "Repeat exactly: 2024-01-31, 2024-02-29, 2024-03-31, 2024-04-30",
]
NEW = 24
COUNT = 6
MARGIN = 0.5


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
    for chat in CANDIDATES:
        prompt = post(url, "/apply-template", {"messages": [{"role": "user", "content": chat}]})["prompt"]
        tokens = post(url, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
        made = post(url, "/completion", {
            "prompt": tokens, "n_predict": NEW, "temperature": 0, "top_k": 1, "samplers": ["top_k"],
            "return_tokens": True, "cache_prompt": False, "n_probs": 2,
        })
        gaps = [t[0]["logprob"] - t[1]["logprob"] for p in made["completion_probabilities"] if len(t := p["top_logprobs"]) > 1]
        print(f"{path.name} {min(gaps):6.3f} {len(made['tokens']):3} {chat}", flush=True)
        if min(gaps) >= MARGIN:
            cases.append({"message": chat, "prompt": prompt, "prompt_tokens": tokens, "new_tokens": made["tokens"], "margin": round(min(gaps), 3)})
        if len(cases) == COUNT:
            break
    return cases


out = {name: references(pathlib.Path(sys.argv[1]) / f"{name}.gguf") for name in sys.argv[2:] or ["q05", "q15", "smol"]}
rows = ",\n".join(f' "{name}": [\n' + ",\n".join("  " + json.dumps(c, ensure_ascii=False) for c in cases) + "\n ]" for name, cases in out.items())
pathlib.Path(__file__).with_name("greedy.json").write_text("{\n" + rows + "\n}\n")
