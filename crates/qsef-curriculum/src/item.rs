//! What a curriculum is made of: items that come in, rows that go out, and what was left out.

use serde::{Deserialize, Serialize};

/// The languages whose texts are written and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese, in both scripts.
    Zh,
}

impl Language {
    /// Its ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// One message of a conversation, as trainers read it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Turn {
    /// A user's message.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".into(), content: content.into() }
    }

    /// A model's message.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: "assistant".into(), content: content.into() }
    }
}

/// Where an item comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The file, as it was named, or another name of the source.
    pub source: String,
    /// The place in it: `:12` for a line, `:12-20` for lines, ` p. 3` for a page.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// The licence that its row or the settings name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// What kind of knowledge an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A text that tells something.
    #[default]
    Passage,
    /// The answer to a question, or the last message of a conversation.
    Answer,
    /// A question whose answer is reached in steps.
    Reasoning,
    /// A topic that the model writes about.
    Topic,
}

/// A piece of knowledge to be told in tiers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Unique in its job, and the same in each run of it.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// The language that it is written in.
    pub language: Language,
    /// Where it is from.
    pub origin: Origin,
    /// What its text answers: a conversation that ends with a user's message. Empty for passages, whose question is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt: Vec<Turn>,
    /// What it is about, where it is known: the heading above a passage, or the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The text; empty for topics, whose text is written.
    pub text: String,
}

/// One row to train on: a prompt and its answer at one tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Row {
    /// `ITEM/TIER`.
    pub id: String,
    /// The item's id.
    pub item: String,
    /// The tier's name.
    pub tier: String,
    /// How hard the tier is, 1 the easiest.
    pub level: u32,
    /// The stage, 1 the first to train on.
    pub stage: u32,
    /// The prompt, and the answer as its last message.
    pub messages: Vec<Turn>,
    /// The language.
    pub language: Language,
    /// What kind of item it is from.
    pub kind: Kind,
    /// Where the item is from.
    pub origin: Origin,
    /// `C_data`, in [0, 1): complexity of the answer (paper, 6.2.1).
    pub complexity: f64,
    /// `R`, in [0, 1]: resistance of the answer for the student (6.2).
    pub resistance: f64,
    /// `D`, in [0, 1]: semantic distance of the answer from the source (6.1).
    pub distance: f64,
    /// `exp(−(k1·D + k2·R))`, in (0, 1] (6.2.4).
    pub te: f64,
    /// The share of the source's meaning that is kept, `1 − D`, in [0, 1].
    pub richness: f64,
    /// How hard the row is for the student, ≥ 0: `−ln TE`, or what the student's progress tells.
    pub difficulty: f64,
    /// The share of draws that it should have, with mean 1 over all rows (dynamic difficulty sampling).
    pub weight: f64,
    /// Tokens of the answer, as they were counted or estimated.
    pub tokens: u64,
    /// Whether no other tier of its item keeps as much, passes as well and costs as little.
    pub frontier: bool,
    /// Whether it is the tier that the student's guidance asks for.
    pub suits: bool,
}

/// Two answers to a prompt: an accepted one, and one that was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pair {
    /// `ITEM/TIER/NUMBER`.
    pub id: String,
    /// What both answer.
    pub prompt: Vec<Turn>,
    /// The accepted answer, one message.
    pub chosen: Vec<Turn>,
    /// The rejected answer, one message.
    pub rejected: Vec<Turn>,
    /// Why it was rejected.
    pub reason: String,
}

/// Where an item, or a tier of one, fell out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Step {
    /// It could not be read.
    Input,
    /// A filter took it out: duplicates, contamination, length, language.
    Filter,
    /// A tier could not be written as it has to be.
    Tier,
    /// The judge did not find the meaning kept.
    Judge,
}

impl Step {
    /// Its name, as in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Filter => "filter",
            Self::Tier => "tier",
            Self::Judge => "judge",
        }
    }
}

/// What was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rejected {
    /// The item's id; empty for a row that could not be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub item: String,
    /// The tier, where one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Where it fell out.
    pub step: Step,
    /// Why, in a sentence.
    pub reason: String,
    /// Where it is from.
    pub origin: Origin,
    /// What was written, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Rejected {
    /// An item that was left out as a whole.
    pub fn item(item: &Item, step: Step, reason: impl Into<String>) -> Self {
        let (item, origin) = (item.id.clone(), item.origin.clone());
        Self { item, tier: None, step, reason: reason.into(), origin, text: None }
    }

    /// A row that could not be read.
    pub fn unread(origin: Origin, reason: impl Into<String>) -> Self {
        Self { item: String::new(), tier: None, step: Step::Input, reason: reason.into(), origin, text: None }
    }
}

/// A row with the teacher's own words for an answer, and what else it might have said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TeacherRow {
    /// `ITEM/TIER`.
    pub id: String,
    /// The prompt, and the teacher's answer as its last message.
    pub messages: Vec<Turn>,
    /// For each token of the answer the likeliest tokens: their ids and ln p, best first.
    pub top: Vec<Vec<(u32, f32)>>,
}
