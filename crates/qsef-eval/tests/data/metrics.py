"""Writes metrics.json: inputs, and what reference implementations make of them.

    python3 -m venv venv && venv/bin/pip install numpy scipy scikit-learn rouge-score sacrebleu seqeval
    venv/bin/python metrics.py > metrics.json
"""

import json
import random

import numpy as np
import sacrebleu
from rouge_score import rouge_scorer
from scipy import stats
from seqeval import metrics as seqeval
from sklearn import metrics

random.seed(7)
numbers = np.random.default_rng(7)

truth = [random.randrange(5) for _ in range(200)]
# Class 5 is predicted, and never true.
found = [t if random.random() < 0.7 else random.randrange(6) for t in truth]
inside = [t == 2 for t in truth]
taken = [f == 2 for f in found]
tn, fp, fn, tp = metrics.confusion_matrix(inside, taken).ravel()

probabilities = [round(random.random(), 4) for _ in range(300)] + [1.0, 0.1, 0.2]
happened = [bool(random.random() < p**1.5) for p in probabilities]


def ece(bins):
    """As Guo et al. (2017): bins are (a, b]."""
    p, h = np.array(probabilities), np.array(happened, float)
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (p > low) & (p <= high)
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - h[inside].mean())
    return total


a = numbers.normal(size=(60, 8))
b = a @ numbers.normal(size=(8, 5)) + 0.5 * numbers.normal(size=(60, 5)) + 3


def cka(x, y):
    """Kornblith et al. (2019), by the centred Gram matrices, not by the features."""
    centre = np.eye(len(x)) - 1 / len(x)
    k, l = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    return np.trace(k @ l) / np.sqrt(np.trace(k @ k) * np.trace(l @ l))


te = numbers.random(80).round(2)
score = (te + numbers.normal(size=80) * 0.4).round(1)
correlation = stats.spearmanr(te, score)
differences = (numbers.normal(size=5) * 0.01 + 0.012).round(5)
test = stats.ttest_1samp(differences, 0)

written = [
    "The cat sat on the mat.",
    "He paid 3,000.50 dollars - in cash, he said -, on 12-05.",
    "Wholly unlike it, and \"quoted\" & (bracketed) [twice] {thrice}!",
    "It's a state-of-the-art, end-to-end system; isn't it?",
    "one two three four five six seven",
]
references = [
    "The cat was sitting on the mat.",
    "He paid 3,000.50 dollars in cash, he says, on 12-05.",
    "Wholly unlike it & \"quoted\" and (bracketed) [twice] {thrice}!",
    "It is a state-of-the-art end-to-end system, isn't it?",
    "seven six five four three two one",
]
scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
rouge = []
for w, r in zip(written, references):
    scores = scorer.score(r, w)
    rouge.append([[scores[k].precision, scores[k].recall, scores[k].fmeasure] for k in ("rouge1", "rouge2", "rougeL")])

chance = random.Random(11)


def spans(words):
    """Parts of a text of so many words: [start, end, label]."""
    found, start = [], 0
    while start < words:
        end = start + chance.randrange(1, 4)
        if chance.random() < 0.4 and end <= words:
            found.append([start, end, chance.randrange(4)])
        start = end
    return found


def changed(parts):
    """Most of them, some with another label, some with another end."""
    kept = [p for p in parts if chance.random() < 0.9]
    return [[s, s + 1 if chance.random() < 0.2 else e, chance.randrange(5) if chance.random() < 0.2 else l] for s, e, l in kept]


def bio(parts, words):
    tags = ["O"] * words
    for start, end, label in parts:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return tags


there = [spans(12) for _ in range(60)]
seen = [changed(parts) for parts in there]
tags = [bio(parts, 12) for parts in there], [bio(parts, 12) for parts in seen]

json.dump(
    {
        "classes": {
            "truth": truth,
            "found": found,
            "accuracy": metrics.accuracy_score(truth, found),
            "macro_f1": metrics.f1_score(truth, found, average="macro"),
            "sensitivity_of_2": tp / (tp + fn),
            "specificity_of_2": tn / (tn + fp),
        },
        "calibration": {
            "probabilities": probabilities,
            "happened": happened,
            "brier": metrics.brier_score_loss(happened, probabilities),
            "ece_10": ece(10),
            "ece_15": ece(15),
        },
        "cka": {"a": a.round(6).tolist(), "b": b.round(6).tolist(), "linear": cka(a.round(6), b.round(6))},
        "spearman": {"a": te.tolist(), "b": score.tolist(), "rho": correlation.statistic, "p": correlation.pvalue},
        "paired": {"differences": differences.tolist(), "t": test.statistic, "p": test.pvalue},
        "spans": {
            "truth": there,
            "found": seen,
            "precision": seqeval.precision_score(*tags),
            "recall": seqeval.recall_score(*tags),
            "f1": seqeval.f1_score(*tags),
            "macro_f1": seqeval.f1_score(*tags, average="macro"),
        },
        "texts": {
            "written": written,
            "references": references,
            "rouge": rouge,
            "bleu": sacrebleu.corpus_bleu(written, [references]).score,
            "bleu_each": [sacrebleu.corpus_bleu([w], [[r]]).score for w, r in zip(written, references)],
        },
    },
    __import__("sys").stdout,
    default=float,
)
