"""Makes rows of `qsef distill run` (task = "extract") from SNIPS as https://github.com/MiuLab/SlotGated-SLU has it.

    git clone https://github.com/MiuLab/SlotGated-SLU
    python3 benches/snips_rows.py SlotGated-SLU/data/snips > target/snips.jsonl
"""

import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
for name, split in (("train", "train"), ("valid", "val"), ("test", "test")):
    texts = (folder / name / "seq.in").read_text().splitlines()
    tags = (folder / name / "seq.out").read_text().splitlines()
    for text, tags in zip(texts, tags, strict=True):
        at, spans = 0, []
        for word, tag in zip(text.split(), tags.split(), strict=True):
            end = at + len(word)
            goes_on = tag.startswith("I-") and spans and spans[-1]["label"] == tag[2:] and spans[-1]["end"] == at - 1
            if goes_on:
                spans[-1]["end"] = end
            elif tag != "O":
                spans.append({"start": at, "end": end, "label": tag[2:]})
            at = end + 1
        print(json.dumps({"text": " ".join(text.split()), "spans": spans, "split": split}, ensure_ascii=False))
