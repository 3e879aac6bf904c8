"""Measures how long `qsef ask` takes from its start to the first byte of the answer, in processes one after the other.

Usage: python benches/first_token.py QSEF_BINARY [--rounds N]

The requests go to the expert `general` of the default agent, whose model is the 1.5B, without a plan. The answer goes to a terminal
(a pseudo-terminal), as it does for a person. The first process is not counted: it saves what later ones find on disk, and brings the
files into the system's cache.
"""

import argparse
import os
import pty
import statistics
import subprocess
import time

REQUESTS = [
    "Explain in one sentence why the sky is blue.",
    "Tell me in one sentence what a lighthouse is for.",
    "Describe the taste of a ripe mango.",
    "Why do cats purr?",
    "What makes bread rise?",
    "Explain what inflation means.",
]

parser = argparse.ArgumentParser()
parser.add_argument("qsef")
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()


def first_byte(request):
    master, slave = pty.openpty()
    began = time.time()
    process = subprocess.Popen([args.qsef, "ask", request], stdout=slave, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    os.close(slave)
    os.read(master, 1)
    seconds = time.time() - began
    try:
        while os.read(master, 4096):
            pass
    except OSError:
        pass
    assert process.wait() == 0
    return seconds, time.time() - began


first_byte(REQUESTS[0])
times = [first_byte(REQUESTS[1 + i % (len(REQUESTS) - 1)]) for i in range(args.rounds)]
for what, seconds in zip(["first byte", "whole answer"], zip(*times)):
    print(f"{what} after {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {args.rounds} processes")
