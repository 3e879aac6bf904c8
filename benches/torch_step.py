"""One training step of an encoder: qsef-distill beside PyTorch, same architecture, batches and data, taking turns.

    cargo build --release -p qsef-distill --example train_step
    python3 -m venv venv && venv/bin/pip install torch
    venv/bin/python benches/torch_step.py target/release/examples/train_step
"""

import statistics
import subprocess
import sys
import time

import torch
from torch import nn

VOCABULARY, CLASSES = 3000, 150


class Numbers:
    """Park and Miller's, as the other program draws them."""

    def __init__(self, seed):
        self.state = seed

    def below(self, end):
        self.state = self.state * 48_271 % 2_147_483_647
        return self.state % end


class Encoder(nn.Module):
    def __init__(self, layers, hidden, heads):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, hidden)
        self.places = nn.Embedding(64, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.drop = nn.Dropout(0.1)
        # Attention's shares are not dropped by qsef either.
        layer = nn.TransformerEncoderLayer(hidden, heads, 4 * hidden, 0.1, "gelu", 1e-12, batch_first=True)
        layer.self_attn.dropout = 0.0
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(hidden, CLASSES)

    def forward(self, ids, padding):
        x = self.drop(self.norm(self.words(ids) + self.places(torch.arange(ids.shape[1]))))
        x = self.layers(x, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1)
        return self.head(self.drop((x * kept).sum(1) / kept.sum(1)))


def torch_ms(layers, hidden, heads, batch, steps):
    torch.manual_seed(1)
    model = Encoder(layers, hidden, heads)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, (0.9, 0.98), 1e-6, 0.01, foreach=True)
    numbers, times = Numbers(7), []
    for _ in range(steps):
        texts = []
        for _ in range(batch):
            length = 5 + numbers.below(14)
            texts.append([numbers.below(VOCABULARY) for _ in range(length)])
        labels = [numbers.below(CLASSES) for _ in range(batch)]
        began = time.perf_counter()
        longest = max(map(len, texts))
        ids = torch.tensor([t + [0] * (longest - len(t)) for t in texts])
        padding = torch.tensor([[False] * len(t) + [True] * (longest - len(t)) for t in texts])
        loss = nn.functional.cross_entropy(model(ids, padding), torch.tensor(labels))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


for shape in ([1, 128, 4, 64, 60], [2, 256, 4, 64, 40], [6, 384, 12, 64, 10]):
    ours, theirs = [], []
    for _ in range(3):
        ours.append(float(subprocess.check_output([sys.argv[1], *map(str, shape)])))
        theirs.append(torch_ms(*shape))
    a, b = min(ours), min(theirs)
    print(f"{shape[0]} layers of {shape[1]}, {shape[3]} texts: qsef {a:.1f} ms, PyTorch {b:.1f} ms: {b / a:.2f} of its throughput")
