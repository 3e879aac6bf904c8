"""Serves a GGUF file as llama.cpp's server does, on a free port, until stdin ends. Needs the wheel xllamacpp.

Usage: python llama_cpp.py chat|embed FILE     The first line of stdout is the address.
"""

import os
import sys

import xllamacpp

kind, path = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = path
params.n_ctx = 8192
params.n_parallel = 2
# One thread: more of them wait for each other in a loop, which starves them where the machine has other work.
params.cpuparams.n_threads = 1
params.warmup = False
# The template of the model, with its tools.
params.use_jinja = True
if kind == "embed":
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
