//! What a job is to make.

use std::path::Path;

use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{item::Language, quality::Rules};

/// One tier: the same knowledge for one kind of reader.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name, as in file names: letters, digits, `-` and `_`.
    pub name: String,
    /// Whom it is for, as in "Explain it for …".
    pub audience: String,
    /// The same in Chinese; where it is missing, the English one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience_zh: Option<String>,
    /// Its stage, 1 the first to train on.
    pub stage: u32,
    /// About how many words a sentence has at most (in Chinese, characters by 1.5). 0: the source as it stands.
    #[serde(default)]
    pub sentence_words: u32,
    /// Whether it ends with a comparison to something of daily life.
    #[serde(default)]
    pub analogy: bool,
    /// What else the writer is told, such as "Keep technical terms".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Tier {
    /// Whom it is for.
    pub fn audience(&self, language: Language) -> &str {
        match (language, &self.audience_zh) {
            (Language::Zh, Some(audience)) => audience,
            _ => &self.audience,
        }
    }

    /// Whether the source itself is this tier.
    pub fn is_source(&self) -> bool {
        self.sentence_words == 0
    }
}

/// The model that will learn from the curriculum (paper, section 6.4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Student {
    /// Its name.
    pub name: String,
    /// Its parameters in units of 10⁹.
    pub params_b: f64,
    /// What it knows already: its training texts, or some of them. Without any, `C_sparsity` does not count.
    pub examples: Vec<String>,
    /// `k1` of `TE = exp(−(k1·D + k2·R))`, ≥ 0.
    pub k1: f64,
    /// `k2`, ≥ 0.
    pub k2: f64,
    /// The efficiency that it should reach, in (0, 1]: the hardest tier of the frontier that reaches it is the one that suits.
    pub goal_te: f64,
}

impl Default for Student {
    /// A model of 0.5·10⁹ parameters with the score's usual constants.
    fn default() -> Self {
        Self { name: "student".into(), params_b: 0.5, examples: Vec::new(), k1: 3.0, k2: 2.4, goal_te: 0.4 }
    }
}

/// What a job is to make, and how strictly it is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The tiers, the hardest first.
    pub tiers: Vec<Tier>,
    /// The names of the stages, the first to train on first.
    pub stages: Vec<String>,
    /// The student.
    pub student: Student,
    /// Longer texts are cut into passages of at most so many words.
    pub passage_words: usize,
    /// Sentences that one request asks a model to reword, ≥ 1: 1 for small models, which mix sentences up; about 12 for large ones,
    /// for which it saves the prompt.
    pub sentences_at_once: usize,
    /// Times that what failed of a tier is written again, ≥ 0.
    pub attempts: u32,
    /// Each tier's `C_data` is below that of the tier before by at least this.
    pub least_step: f64,
    /// The largest semantic distance of a tier from its source, in [0, 1].
    pub most_distance: f64,
    /// The largest semantic distance of a reworded sentence from its sentence, in [0, 1].
    pub most_sentence_distance: f64,
    /// The largest share of a written tier's sentences that may stay as in the source though they are too long for its reader.
    pub most_kept: f64,
    /// Whether a model judges each wording.
    pub judge: bool,
    /// The least probability, in [0, 1], with which the judge has to say that a wording tells the same. Where a backend gives no
    /// probabilities, its yes is 1 and its no is 0.
    pub least_agreement: f64,
    /// Of the sampler, and of everything that is drawn.
    pub seed: u64,
    /// The licence of rows that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Of so many items, the most different ones, are tiers written. 0: of all.
    pub diverse: usize,
    /// For each token of a teacher's answer so many of the likeliest tokens. 0: no such answers are asked for.
    pub teacher_top: usize,
    /// What is filtered.
    pub filter: Rules,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tiers: default_tiers(4),
            stages: ["general", "domain", "specialist"].map(str::to_owned).to_vec(),
            student: Student::default(),
            passage_words: 130,
            sentences_at_once: 1,
            attempts: 3,
            least_step: 0.004,
            most_distance: 0.25,
            most_sentence_distance: 0.3,
            most_kept: 0.5,
            judge: true,
            least_agreement: 0.4,
            seed: 0,
            licence: None,
            diverse: 0,
            teacher_top: 0,
            filter: Rules::default(),
        }
    }
}

/// The usual tiers, 2 to 4 of them, the hardest first: expert, practitioner, student, layperson.
pub fn default_tiers(count: usize) -> Vec<Tier> {
    let tier = |name: &str, audience: &str, zh: &str, stage, sentence_words| Tier {
        name: name.into(),
        audience: audience.into(),
        audience_zh: Some(zh.into()),
        stage,
        sentence_words,
        analogy: false,
        note: None,
    };
    let expert = tier("expert", "an expert", "专家", 3, 0);
    let practitioner = tier("practitioner", "somebody who works in the field", "从业人员", 2, 18);
    let student = tier("student", "a student of about 14", "十四岁左右的学生", 2, 12);
    let layperson = Tier {
        analogy: true,
        ..tier("layperson", "a reader who knows nothing about it", "完全不了解这个话题的读者", 1, 8)
    };
    match count {
        2 => vec![expert, layperson],
        3 => vec![expert, student, layperson],
        _ => vec![expert, practitioner, student, layperson],
    }
}

impl Settings {
    /// Reads a TOML file; what it does not name keeps its default.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] with the line for what does not read and with the field for what cannot be.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::Input(format!("there is no file {}", path.display())),
            _ => Error::io("read", path, e),
        })?;
        let settings: Self = toml::from_str(&text).map_err(|e| {
            let line = e.span().map(|span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
            Error::File { path: path.into(), line, field: None, message: e.message().to_owned() }
        })?;
        settings.check().map_err(|(field, message)| Error::File {
            path: path.into(),
            line: None,
            field: Some(field.into()),
            message,
        })?;
        Ok(settings)
    }

    /// Whether a job can be done by it.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.tiers.len() < 2 {
            return Err(("tiers", "there are at least two tiers, the hardest first".into()));
        }
        for (number, tier) in self.tiers.iter().enumerate() {
            let named = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            if tier.name.is_empty() || !tier.name.chars().all(named) {
                return Err(("tiers.name", format!("`{}`: letters, digits, `-` and `_` make a name", tier.name)));
            }
            if self.tiers.iter().take(number).any(|other| other.name == tier.name) {
                return Err(("tiers.name", format!("`{}` is there twice", tier.name)));
            }
            if tier.stage == 0 || tier.stage as usize > self.stages.len() {
                let stages = self.stages.len();
                return Err((
                    "tiers.stage",
                    format!("`{}` has stage {}; there are 1 to {stages}", tier.name, tier.stage),
                ));
            }
            if tier.is_source() && number > 0 {
                let message =
                    format!("`{}` has no sentence_words; only the first tier may be the source itself", tier.name);
                return Err(("tiers.sentence_words", message));
            }
        }
        let shares = [
            ("most_distance", self.most_distance),
            ("most_sentence_distance", self.most_sentence_distance),
            ("most_kept", self.most_kept),
            ("least_agreement", self.least_agreement),
            ("least_step", self.least_step),
        ];
        if let Some((field, value)) = shares.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err((field, format!("{value} is not in [0, 1]")));
        }
        let student = &self.student;
        if !(student.goal_te > 0.0 && student.goal_te <= 1.0) {
            return Err(("student.goal_te", format!("{} is not in (0, 1]", student.goal_te)));
        }
        let positive = |x: f64| x.is_finite() && x >= 0.0;
        if !(positive(student.params_b) && positive(student.k1) && positive(student.k2)) {
            return Err(("student", "params_b, k1 and k2 are numbers ≥ 0".into()));
        }
        if self.sentences_at_once == 0 {
            return Err(("sentences_at_once", "1 is the least".into()));
        }
        if self.passage_words < 20 {
            return Err(("passage_words", format!("{} is too few; 20 are the least", self.passage_words)));
        }
        Ok(())
    }

    /// How hard a tier is, 1 the easiest.
    pub fn level(&self, number: usize) -> u32 {
        self.tiers.len().saturating_sub(number) as u32
    }
}
