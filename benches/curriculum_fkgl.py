"""Readability of a curriculum by an outside judge: the Flesch-Kincaid grade level that textstat finds for each tier.

    pip install textstat==0.7.3    # later ones fetch a dictionary when they run
    python benches/curriculum_fkgl.py CURRICULUM

Prints each tier's median grade and, of the items whose tiers were all accepted, the share in which the grade falls from the first tier
to the last.
"""

import collections
import json
import pathlib
import statistics
import sys

import textstat


def main():
    folder = pathlib.Path(sys.argv[1])
    items, levels = collections.defaultdict(dict), {}
    with open(folder / "train.jsonl", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            items[row["item"]][row["tier"]] = row["messages"][-1]["content"]
            levels[row["tier"]] = row["level"]
    tiers = sorted(levels, key=levels.get, reverse=True)
    whole = [item for item in items.values() if len(item) == len(tiers)]
    grades = [[textstat.flesch_kincaid_grade(item[tier]) for tier in tiers] for item in whole]
    for number, tier in enumerate(tiers):
        print(f"{tier}: median grade {statistics.median(grade[number] for grade in grades):.1f}")
    falls = sum(grade[-1] < grade[0] for grade in grades)
    print(f"the grade falls from {tiers[0]} to {tiers[-1]} in {falls} of {len(grades)} accepted items, {falls / len(grades):.0%}")


main()
