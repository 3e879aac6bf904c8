"""Throughput of `qsef curriculum generate` against an endpoint that takes 50 ms for each answer, beside distilabel's.

    cargo build --release -p qsef-cli -p qsef-curriculum --bin qsef --example stub_endpoint
    pip install "distilabel[openai]"
    python benches/curriculum_throughput.py target/release/qsef target/release/examples/stub_endpoint

Per round: 5,000 passages in four tiers by qsef; then as many requests, without any work between them, by one TextGeneration step of
distilabel. Each has 64 requests on their way at most. The ideal is requests × 50 ms / 64. --skip-distilabel leaves the peer out.
"""

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time

ANIMALS = ["ferrets", "otters", "badgers", "weasels", "martens", "beavers", "voles", "shrews"]
PLACES = ["valley", "forest", "harbour", "meadow", "canyon", "marsh", "orchard", "delta", "plateau"]
ADDRESS = "127.0.0.1:8189"


def passage(n):
    animal, place = ANIMALS[n % 8], PLACES[n % 9]
    return (
        f"Although the {animal} of the {place}, which biologists have observed for {n + 13} years, ordinarily sleep during the "
        "greater part of the afternoon, they become extraordinarily active as soon as the temperature decreases towards the "
        f"evening. Observers counted {n + 10000} burrows, considerably more than the {place} was previously believed to contain, and "
        f"they documented {2 * n + 50001} individuals whose behaviour differed substantially from that of neighbouring populations."
    )


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def run_qsef(qsef, items, concurrency, delay):
    with tempfile.TemporaryDirectory() as folder:
        rows = os.path.join(folder, "texts.jsonl")
        with open(rows, "w", encoding="utf-8") as out:
            for n in range(items):
                out.write(json.dumps({"id": f"p{n}", "text": passage(n)}) + "\n")
        environment = os.environ | {
            "QSEF_HOME": folder, "OPENAI_BASE_URL": f"http://{ADDRESS}/v1", "OPENAI_API_KEY": "none"
        }
        command = [qsef, "curriculum", "generate", "--input", rows, "--out", os.path.join(folder, "out"), "--model",
                   "openai:stub", "--embedder", "none", "--concurrency", str(concurrency), "--json"]
        # Near duplicates are what these passages are.
        config = os.path.join(folder, "settings.toml")
        with open(config, "w", encoding="utf-8") as out:
            out.write("[filter]\nnear = 1.0\n")
        command += ["--config", config]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        memory = []

        def watch():
            while process.poll() is None:
                try:
                    memory.append(rss(process.pid))
                except (OSError, StopIteration):
                    return
                time.sleep(0.25)

        watcher = threading.Thread(target=watch)
        watcher.start()
        said = process.communicate()[0]
        watcher.join()
        done = json.loads(said)
        assert done["accepted"] == items, done
        ideal = done["requests"] * delay / 1000 / concurrency
        quarter, last = memory[len(memory) // 4], memory[-2] if len(memory) > 1 else memory[-1]
        return {
            "requests": done["requests"], "seconds": round(done["elapsed_s"], 2), "share_of_ideal": round(ideal / done["elapsed_s"], 3),
            "rss_mb_at_a_quarter": round(quarter), "rss_mb_at_the_end": round(last),
        }


def run_distilabel(requests, items, concurrency, delay):
    from distilabel.models import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    data = [{"instruction": f"{n}: {passage(n % items)}"} for n in range(requests)]
    with Pipeline(name="tiers") as pipeline:
        load = LoadDataFromDicts(data=data, batch_size=concurrency)
        llm = OpenAILLM(model="stub", base_url=f"http://{ADDRESS}/v1", api_key="none")
        load >> TextGeneration(llm=llm, input_batch_size=concurrency)
    began = time.time()
    pipeline.run(use_cache=False)
    seconds = time.time() - began
    ideal = requests * delay / 1000 / concurrency
    return {"requests": requests, "seconds": round(seconds, 2), "share_of_ideal": round(ideal / seconds, 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("qsef")
    parser.add_argument("stub")
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--skip-distilabel", action="store_true")
    arguments = parser.parse_args()
    stub = subprocess.Popen([arguments.stub, ADDRESS, str(int(arguments.delay_ms))], stdout=subprocess.PIPE)
    stub.stdout.readline()
    try:
        for _ in range(arguments.rounds):
            ours = run_qsef(arguments.qsef, arguments.items, arguments.concurrency, arguments.delay_ms)
            print("qsef", json.dumps(ours), flush=True)
            if not arguments.skip_distilabel:
                theirs = run_distilabel(ours["requests"], arguments.items, arguments.concurrency, arguments.delay_ms)
                print("distilabel", json.dumps(theirs), flush=True)
                print("ratio of times", round(theirs["seconds"] / ours["seconds"], 2), flush=True)
    finally:
        stub.kill()


if __name__ == "__main__":
    main()
