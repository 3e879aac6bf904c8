"""Reads the folder of `qsef curriculum generate` as trainers do: with `datasets`, TRL's own preparation, and the rules of LLaMA-Factory
and Axolotl. Needs no network: the tokenizer is made here.

Usage: curriculum_formats.py DIR. Exit code 0: all is well. 77: a package is missing. 1: something cannot be read, and what.
"""

import hashlib
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
MODULES = ["datasets", "jsonschema", "pyarrow", "tokenizers", "torch", "transformers", "trl", "yaml"]
missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
if missing:
    print("missing packages:", ", ".join(missing))
    sys.exit(77)

import datasets  # noqa: E402
import jsonschema  # noqa: E402
import pyarrow.parquet  # noqa: E402
import yaml  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: E402
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer  # noqa: E402
from trl.data_utils import is_conversational, maybe_apply_chat_template  # noqa: E402

datasets.disable_progress_bars()

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ message.content + '<|im_end|>' }}{% endif %}"
    "{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

# The keys that LLaMA-Factory's data/README.md documents for files beside dataset_info.json.
TAGS = ["role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag"]
COLUMNS = ["prompt", "query", "response", "history", "messages", "system", "tools", "images", "videos", "audios", "chosen", "rejected", "kto_tag"]
DATASET_INFO = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["file_name", "formatting", "columns", "tags"],
        "properties": {
            "file_name": {"type": "string", "pattern": r"\.(json|jsonl|csv|parquet|arrow)$"},
            "formatting": {"const": "sharegpt"},
            "ranking": {"type": "boolean"},
            "subset": {"type": "string"},
            "split": {"type": "string"},
            "folder": {"type": "string"},
            "num_samples": {"type": "integer"},
            "columns": {"type": "object", "additionalProperties": False, "properties": {name: {"type": "string"} for name in COLUMNS}},
            "tags": {"type": "object", "additionalProperties": False, "properties": {name: {"type": "string"} for name in TAGS}},
        },
    },
}


class Wrong(Exception):
    """What cannot be read, in a sentence."""


def check(holds, message):
    if not holds:
        raise Wrong(message)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def tokenizer():
    """Tokens are bytes, and the marks of ChatML."""
    marks = ["<|im_start|>", "<|im_end|>", "<|pad|>"]
    vocabulary = {token: number for number, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()) + marks)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|pad|>", additional_special_tokens=["<|im_start|>"]
    )
    made.chat_template = CHATML
    return made


def model(tokens):
    config = LlamaConfig(
        vocab_size=len(tokens), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        pad_token_id=tokens.pad_token_id, eos_token_id=tokens.eos_token_id, bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def manifest(dir):
    told = json.loads((dir / "manifest.json").read_text(encoding="utf-8"))
    for name, file in told["files"].items():
        data = (dir / name).read_bytes()
        check(len(data) == file["bytes"], f"{name} has {len(data)} bytes, not {file['bytes']}")
        check(hashlib.sha256(data).hexdigest() == file["sha256"], f"{name} has another hash than in manifest.json")
    check(not list(dir.glob("*.part")), "parts of files are left")
    check(told["counts"]["rows"] == len(lines(dir / "train.jsonl")), "manifest.json counts other rows than train.jsonl has")
    return told


def card(dir):
    """The header, and every configuration that it names as `load_dataset` finds it."""
    text = (dir / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---\n")[1])
    for key in ["license", "language", "task_categories", "size_categories", "tags", "configs", "dataset_info"]:
        check(key in header, f"README.md has no `{key}`")
    names = [config["config_name"] for config in header["configs"]]
    check(datasets.get_dataset_config_names(str(dir)) == names, "`datasets` finds other configurations than README.md names")
    for config in header["configs"]:
        name, path = config["config_name"], dir / config["data_files"][0]["path"]
        loaded = datasets.load_dataset(str(dir), name, split="train")
        check(loaded.to_list() == lines(path), f"configuration `{name}`: other rows than in {path.name}")
        bare = datasets.load_dataset("json", data_files=str(path), split="train")
        check(set(bare.column_names) == set(loaded.column_names), f"{path.name}: other columns than the card names")
    return names


def parquet(dir):
    for path in sorted(dir.glob("*.parquet")):
        rows = lines(path.with_suffix(".jsonl"))
        table = pyarrow.parquet.read_table(path)
        check(table.to_pylist() == rows, f"{path.name} has other rows than the JSON lines")
        check(len(table.to_pandas()) == len(rows), f"{path.name} cannot be read by pandas")
        if rows:
            loaded = datasets.load_dataset("parquet", data_files=str(path), split="train")
            check(loaded.to_list() == rows, f"{path.name}: `datasets` reads other rows")


def order(dir):
    rows = lines(dir / "train.jsonl")
    stages = [row["stage"] for row in rows]
    check(stages == sorted(stages), "train.jsonl is not sorted by stage")
    for earlier, later in zip(rows, rows[1:]):
        is_sorted = earlier["stage"] < later["stage"] or earlier["difficulty"] <= later["difficulty"]
        check(is_sorted, f"train.jsonl: {later['id']} is easier than the row before")
    joined = [row for path in sorted(dir.glob("stage-*.jsonl"), key=lambda path: int(path.stem[6:])) for row in lines(path)]
    check(joined == rows, "the stages together are not train.jsonl")


def sft(dir, tokens, work):
    rows = datasets.load_dataset("json", data_files=str(dir / "train.jsonl"), split="train")
    check(is_conversational(rows[0]), "TRL does not see conversations in train.jsonl")
    text = maybe_apply_chat_template({"messages": rows[0]["messages"]}, tokens)["text"]
    check(rows[0]["messages"][-1]["content"] in text, "the chat template loses the answer")
    args = SFTConfig(
        output_dir=work, train_sampling_strategy="sequential", shuffle_dataset=False, packing=False, assistant_only_loss=True, max_length=4096,
        per_device_train_batch_size=1, report_to="none", use_cpu=True, bf16=False,
    )
    trainer = SFTTrainer(model=model(tokens), args=args, train_dataset=rows, processing_class=tokens)
    # The batches as they are trained on: the curriculum's order holds, and the loss is that of the answers.
    for row, batch in zip(rows, trainer.get_train_dataloader(), strict=True):
        labels = batch["labels"][0]
        answer = tokens.decode(labels[labels != -100], skip_special_tokens=True)
        check(answer == row["messages"][-1]["content"], f"TRL trains on {answer!r} where {row['id']} should be")


def dpo(dir, tokens, work):
    rows = datasets.load_dataset("json", data_files=str(dir / "preferences.jsonl"), split="train")
    check(is_conversational(rows[0]), "TRL does not see conversations in preferences.jsonl")
    args = DPOConfig(output_dir=work, max_length=4096, report_to="none", use_cpu=True, bf16=False)
    trainer = DPOTrainer(model(tokens), model(tokens), args=args, train_dataset=rows, processing_class=tokens)
    check(len(trainer.train_dataset) == len(rows), "TRL leaves out preferences")
    for row, prepared in zip(rows, trainer.train_dataset):
        for kind in ["chosen", "rejected"]:
            text = tokens.decode(prepared.get(f"{kind}_ids", prepared.get(f"{kind}_input_ids")))
            check(row[kind][-1]["content"] in text, f"{row['id']}: TRL loses the {kind} answer")


def llama_factory(dir):
    info = json.loads((dir / "dataset_info.json").read_text(encoding="utf-8"))
    jsonschema.validate(info, DATASET_INFO)
    for name, entry in info.items():
        tags, columns = entry["tags"], entry["columns"]
        for row in lines(dir / entry["file_name"]):
            messages = row[columns["messages"]]
            roles = [message[tags["role_tag"]] for message in messages]
            if roles[0] == tags["system_tag"]:
                roles = roles[1:]
            turns = [tags["user_tag"], tags["assistant_tag"]]
            check(roles == [turns[number % 2] for number in range(len(roles))], f"{name}: the turns of {row['id']} do not alternate: {roles}")
            check(len(roles) % 2 == (1 if entry.get("ranking") else 0), f"{name}: {row['id']} ends with the wrong role")
            for kind in ["chosen", "rejected"] if entry.get("ranking") else []:
                answer = row[columns[kind]]
                check(isinstance(answer, dict), f"{name}: `{kind}` of {row['id']} is no message")
                check(answer[tags["role_tag"]] == tags["assistant_tag"], f"{name}: `{kind}` of {row['id']} is not the assistant's")


def axolotl(dir):
    """`axolotl.integrations.kd.chat_template` makes matrices of `target_token_ids` and `logprobs`."""
    for row in lines(dir / "teacher.jsonl"):
        ids, logprobs = row["target_token_ids"], row["logprobs"]
        check(len(ids) == len(logprobs) > 0, f"teacher.jsonl: {row['id']} has as many ids as logarithms, and some")
        widths = {len(top) for top in ids + logprobs}
        check(len(widths) == 1 and 0 not in widths, f"teacher.jsonl: {row['id']} is no matrix")
        check(all(isinstance(id, int) and id >= 0 for top in ids for id in top), f"teacher.jsonl: ids of {row['id']}")
        check(all(isinstance(logprob, (int, float)) and logprob <= 0 for top in logprobs for logprob in top), f"teacher.jsonl: ln p of {row['id']}")
        check(row["messages"][-1]["role"] == "assistant", f"teacher.jsonl: {row['id']} does not end with an answer")


def alignment(dir, tokens, work):
    """Runs the script of training.md on a teacher that has this tokenizer, and looks where the lists are."""
    blocks = re.findall(r"```python\n(.*?)```", (dir / "training.md").read_text(encoding="utf-8"), re.DOTALL)
    script = next(block for block in blocks if "teacher-aligned" in block)
    rows = lines(dir / "teacher.jsonl")
    for row in rows:
        answer = tokens(row["messages"][-1]["content"] + "<|im_end|>", add_special_tokens=False)["input_ids"]
        row["target_token_ids"] = [[id, (id + 1) % 256] for id in answer]
        row["logprobs"] = [[-0.5, -2.0] for _ in answer]
    place = Path(work)
    tokens.save_pretrained(place / "student")
    (place / "teacher.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    script = script.replace("STUDENT", str(place / "student")).replace("DIR/", f"{place}/")
    told = subprocess.run([sys.executable, "-c", script], cwd=place, capture_output=True, text=True)
    check(told.returncode == 0, f"the script of training.md failed: {told.stderr}")
    check(told.stdout.startswith("0 rows"), f"the script of training.md: {told.stdout}")
    for row in lines(place / "teacher-aligned.jsonl"):
        ids, labels, mask = row["input_ids"], row["labels"], row["target_mask"]
        lengths = {len(row[key]) for key in ["input_ids", "attention_mask", "labels", "target_token_ids", "target_logprobs", "target_mask"]}
        check(lengths == {len(ids)}, "aligned rows differ in length")
        places = [number for number, of_token in enumerate(mask) if of_token[0]]
        check(places, "nothing is aligned")
        for number in places:
            check(row["target_token_ids"][number][0] == ids[number + 1] == labels[number + 1], "a list is not before its token")
            total = sum(map(math.exp, row["target_logprobs"][number]))
            check(abs(total - 1) < 1e-6, "the likeliest tokens' probabilities do not add up to 1")


def main(dir):
    manifest(dir)
    names = card(dir)
    parquet(dir)
    order(dir)
    llama_factory(dir)
    tokens = tokenizer()
    with tempfile.TemporaryDirectory() as work:
        sft(dir, tokens, work)
        if "preferences" in names:
            dpo(dir, tokens, work)
        if "teacher" in names:
            axolotl(dir)
            alignment(dir, tokens, work)
    print("read as trainers read it:", ", ".join(names))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as cache:
        datasets.config.HF_DATASETS_CACHE = Path(cache)
        try:
            main(Path(sys.argv[1]).resolve())
        except (Wrong, jsonschema.ValidationError) as error:
            print(f"{sys.argv[1]}: {error}", file=sys.stderr)
            sys.exit(1)
