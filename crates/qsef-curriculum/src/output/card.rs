//! `README.md`: the dataset's card, with the configurations that `datasets` reads.

mod licences;
mod yaml;

use std::fmt::Write;

use super::{Content, rows};
use crate::item::Language;
use licences::Licences;

/// The most sources that are named.
const SOURCES: usize = 50;

/// A configuration that `datasets` loads by its name.
struct Config {
    name: String,
    file: String,
    features: &'static [(&'static str, yaml::Kind)],
    rows: usize,
    about: String,
}

pub(super) fn card(content: &Content<'_>) -> String {
    let configs = configs(content);
    let licences = Licences::of(content.collected.tally.sources.keys().map(|(_, licence)| licence.as_str()));
    let mut card = yaml::header(content, &configs, &licences);
    let _ = write!(
        card,
        "# Curriculum\n\n\
         The same knowledge told in tiers, from texts for experts to texts that anybody understands, each a row to train a small model \
         on. Rows are sorted into a curriculum: stage by stage, and within a stage by how hard they are for the student. \
         `training.md` says how to keep that order with TRL, Axolotl, LLaMA-Factory and Unsloth, all of which shuffle by default.\n\n"
    );
    counts(&mut card, content, &configs);
    fields(&mut card, content);
    provenance(&mut card, content, &licences);
    making(&mut card, content);
    card
}

fn configs(content: &Content<'_>) -> Vec<Config> {
    let (all, collected) = (content.summary.tiers, content.collected);
    let mut configs = Vec::new();
    let mut add = |name: &str, file: String, features, rows, about: String| {
        if rows > 0 {
            configs.push(Config { name: name.to_owned(), file, features, rows, about });
        }
    };
    add("default", "train.jsonl".into(), yaml::ROW, all, "all rows in curriculum order".into());
    for stage in &content.stages {
        let (name, about) = (stage.file(), format!("stage {}: {}", stage.number, inline(&stage.name)));
        add(&name, format!("{name}.jsonl"), yaml::ROW, stage.places.len(), about);
    }
    let pairs = "an accepted and a rejected answer to a prompt".to_owned();
    add("preferences", rows::PREFERENCES.into(), yaml::PAIR, collected.pairs.len(), pairs);
    let teacher = "the teacher's answers, with its likeliest tokens".to_owned();
    add("teacher", rows::TEACHER.into(), yaml::TEACHER, collected.teacher.len(), teacher);
    if content.job.resample {
        add("resampled", rows::RESAMPLED.into(), yaml::ROW, all, "rows drawn by `weight`, with replacement".into());
    }
    configs
}

fn counts(card: &mut String, content: &Content<'_>, configs: &[Config]) {
    let summary = &content.summary;
    let _ = write!(
        card,
        "## What is in it\n\n{} of {} items are accepted; {} of {} have tiers that are strictly ordered by measured complexity.\n\n\
         | configuration | file | rows | what |\n|---|---|---:|---|\n",
        summary.accepted,
        summary.items,
        content.collected.items.iter().filter(|item| item.strictly_ordered).count(),
        summary.items,
    );
    for config in configs {
        let _ = writeln!(card, "| `{}` | `{}` | {} | {} |", config.name, config.file, config.rows, config.about);
    }
    card.push_str("\n| tier | for | level | stage | rows |\n|---|---|---:|---:|---:|\n");
    for tier in content.job.tiers {
        let rows = content.collected.tally.of_tier(&tier.name);
        let (name, audience) = (inline(&tier.name), inline(&tier.audience));
        let _ = writeln!(card, "| {name} | {audience} | {} | {} | {rows} |", tier.level, tier.stage);
    }
    card.push_str(
        "\n`train.parquet` and `stage-N.parquet` hold the rows of the JSON lines of the same name; `rejected.jsonl` what was left out, and \
         why; `manifest.json` what made the data, counts, and the SHA-256 of each file; `report.html` the figures as plots; \
         `dataset_info.json` is for LLaMA-Factory.\n\n",
    );
}

fn fields(card: &mut String, content: &Content<'_>) {
    card.push_str(
        "## Fields of a row\n\n\
         | field | what |\n|---|---|\n\
         | `id`, `item`, `tier` | `ITEM/TIER`, and its two parts |\n\
         | `level` | how hard the tier is, 1 the easiest |\n\
         | `stage` | the stage, 1 the first to train on |\n\
         | `messages` | the conversation: `role` and `content`; the last is the answer |\n\
         | `language` | ISO 639-1 |\n\
         | `kind` | `passage`, `answer`, `reasoning` or `topic` |\n\
         | `origin` | `source`, `place` in it, `licence`; empty where it is not known |\n\
         | `complexity` | `C_data` of the answer, in [0, 1) |\n\
         | `resistance` | `R` of the answer for the student, in [0, 1] |\n\
         | `distance` | semantic distance `D` of the answer from the source, in [0, 1] |\n\
         | `te` | transmission efficiency `exp(−(k1·D + k2·R))`, in (0, 1] |\n\
         | `richness` | `1 − D` |\n\
         | `difficulty` | how hard the row is for the student, `−ln TE` or from its progress |\n\
         | `weight` | the share of draws that it should have; 1 on average |\n\
         | `tokens` | of the answer |\n\
         | `frontier` | whether no other tier of the item keeps as much, passes as well and costs as little |\n\
         | `suits` | whether it is the tier that the student's guidance asks for |\n\n",
    );
    if !content.collected.pairs.is_empty() {
        card.push_str(
            "`preferences.jsonl`: `prompt`, `chosen` and `rejected` are lists of messages (TRL), `reason` is why the rejected answer was. \
             `preferences-llamafactory.jsonl` is the same as LLaMA-Factory reads it: `messages`, and one message each.\n\n",
        );
    }
    if !content.collected.teacher.is_empty() {
        card.push_str(
            "`teacher.jsonl`: for each token of the last message ids (`target_token_ids`) and ln p (`logprobs`) of the likeliest \
             tokens, best first, as Axolotl's distillation reads them.\n\n",
        );
    }
}

fn provenance(card: &mut String, content: &Content<'_>, licences: &Licences) {
    card.push_str("## Provenance\n\n| source | licence | rows |\n|---|---|---:|\n");
    let sources = &content.collected.tally.sources;
    let count = sources.len();
    for ((source, licence), rows) in sources.iter().take(SOURCES) {
        let licence = if licence.is_empty() { "not named".into() } else { inline(licence) };
        let _ = writeln!(card, "| {} | {licence} | {rows} |", inline(source));
    }
    if count > SOURCES {
        let _ = writeln!(card, "| {} more | | |", count - SOURCES);
    }
    let _ = write!(
        card,
        "\n{} Simplified texts are adaptations: the terms of their sources hold for them, too.\n\n",
        licences.sentence()
    );
}

fn making(card: &mut String, content: &Content<'_>) {
    let has_chinese = content.collected.tally.languages.contains_key(Language::Zh.code());
    let chinese = if has_chinese { " Chinese words are cut by a list, without a model of the language." } else { "" };
    let _ = write!(
        card,
        "## How it was made\n\n\
         By `qsef curriculum generate`: items are read from the sources and filtered (duplicates, length, language, overlap with test \
         sets), a language model rewords each for the readers of the tiers, and what it writes is checked: numbers, names and \
         units have to be those of the source, its meaning has to stay near, and each tier has to be measurably less complex than \
         the one before. What fails is written again a bounded number of times, then left out. The models, prompts, seeds \
         and settings are in `manifest.json`; the same inputs and answers of the models give the same bytes.\n\n\
         ## Limits\n\n\
         - Texts are written by a model. The checks catch changed numbers, names and units, and much lost meaning, but not every error: \
         read a sample before you train on it.\n\
         - `complexity` is measured on the surface of a text; it tells tiers apart better than topics.{chinese}\n\
         - `te`, `resistance` and `difficulty` are estimates for the student that `manifest.json` names, not measurements of it.\n\
         - What is wrong or private in a source is so in its rows.\n"
    );
}

/// Text of others within a line or a cell of Markdown, as it is read: no marks, no HTML.
pub(super) fn inline(text: &str) -> String {
    let mut inline = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' => inline.extend(['\\', c]),
            '<' => inline.push_str("&lt;"),
            '>' => inline.push_str("&gt;"),
            '&' => inline.push_str("&amp;"),
            c if c.is_control() => inline.push(' '),
            c => inline.push(c),
        }
    }
    inline
}
