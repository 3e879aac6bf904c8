"""Passages of the advanced texts of OneStopEnglish as rows for `qsef curriculum generate`.

    python benches/onestop_passages.py texts.jsonl --skip 2 --take 2 > passages.jsonl

Each text is cut at the ends of its paragraphs into passages of 80 to 130 words, the length at which `qsef curriculum generate` cuts; of
each text the first --skip are left out, and the next --take are written.
"""

import argparse
import json


def passages(text):
    found, words = [], []
    for paragraph in text.split("\n"):
        paragraph = paragraph.split()
        if len(words) + len(paragraph) > 130:
            found.append(words)
            words = []
        words = words + paragraph
    return [" ".join(words) for words in [*found, words] if 80 <= len(words) <= 130]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", help='JSON lines {"id","level","text"}')
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--take", type=int, default=2)
    arguments = parser.parse_args()
    with open(arguments.texts, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        if not row["level"].startswith("adv"):
            continue
        chosen = passages(row["text"])[arguments.skip : arguments.skip + arguments.take]
        for number, text in enumerate(chosen, arguments.skip + 1):
            out = {"id": f"{row['id']}-{number}", "text": text, "licence": "CC-BY-SA-4.0"}
            print(json.dumps(out, ensure_ascii=False))


main()
