import json
import os
import time
import urllib.request


class Server:
    def __init__(self, path):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx = 4096
        params.n_parallel = 1
        params.cpuparams.n_threads = os.cpu_count()
        params.warmup = False
        began = time.time()
        self.server = xllamacpp.Server(params)
        self.load_s = time.time() - began

    def post(self, where, body):
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.server.listening_address + where, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)
