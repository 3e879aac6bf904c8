//! Agents as TOML files: which model plans, which experts there are.

mod mcp;

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    ops::Range,
    path::{Path, PathBuf},
};

use qsef_core::{AnyExpert, AnyModel, Effects, Error, ExpertProfile, Format, Modality, Result};
use serde::Deserialize;
use toml::Spanned;

pub use mcp::{McpConfig, ToolConfig};

use crate::{
    experts::{self, Calculate, ModelExpert, Produces},
    prompts,
};

/// An agent: `agents/NAME.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Name of the planner's model (the LMM).
    pub model: String,
    /// Name of the embedder.
    pub embedder: String,
    /// The expert that does what no other fits.
    #[serde(default)]
    pub fallback: Option<Spanned<String>>,
    /// Its experts.
    #[serde(default)]
    pub experts: Vec<ExpertConfig>,
    /// Servers whose tools are experts, too. [`build`] does not start them.
    #[serde(default)]
    pub mcp: Vec<McpConfig>,
    /// The file it was read from; empty for the built-in agent.
    #[serde(skip)]
    pub path: PathBuf,
}

/// What an expert is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Exact calculation; `model`, where given, reads words that the rules do not.
    Calculate,
    /// Counts words, characters, sentences, lines, occurrences.
    Count,
    /// Finds e-mail addresses, links, numbers, dates and the like.
    Extract,
    /// Sorts lines or items.
    Sort,
    /// Measures how hard a text is to read.
    Readability,
    /// A language model with a prompt.
    Model,
    /// Answers from a knowledge base in its model's words, with citations. [`build`] is told how to make one.
    Librarian,
}

/// An expert of an agent: its profile and what it is made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertConfig {
    /// A unique name.
    pub id: Spanned<String>,
    /// What it is made of.
    pub kind: Spanned<Kind>,
    /// What it does, in a sentence or two.
    pub description: Spanned<String>,
    /// Requests that it should get.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Price per 10⁶ tokens in US dollars.
    #[serde(default)]
    pub usd_per_mtok: Option<f64>,
    /// Parameters of its model in units of 10⁹; taken from the model where not given.
    #[serde(default)]
    pub params_b: Option<f64>,
    /// Kinds of knowledge, as tags such as "law"; none where it knows a bit of everything.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The kinds of signal that it takes in.
    #[serde(default)]
    pub accepts: Option<Vec<Modality>>,
    /// The formats in which it reads the outputs of others; none where it reads any.
    #[serde(default)]
    pub takes: Vec<Format>,
    /// The formats in which it is to write its output, the preferred one first: some of those that its kind can write, and all
    /// of them where it is not given.
    #[serde(default)]
    pub gives: Option<Spanned<Vec<Format>>>,
    /// The types of what it needs, in words such as "order id".
    #[serde(default)]
    pub requires: Option<Spanned<Vec<String>>>,
    /// The types of what its output holds, in words.
    #[serde(default)]
    pub provides: Option<Spanned<Vec<String>>>,
    /// JSON Schema of its arguments; where it takes JSON, of the JSON that it is handed.
    #[serde(default)]
    pub parameters: Option<Spanned<serde_json::Value>>,
    /// What running it changes.
    #[serde(default)]
    pub effects: Effects,
    /// Whether a person has to agree before it runs.
    #[serde(default)]
    pub requires_approval: bool,
    /// The most seconds that one call may take.
    #[serde(default)]
    pub timeout_s: Option<Spanned<f64>>,
    /// The most calls at the same time.
    #[serde(default)]
    pub max_concurrent: Option<NonZeroUsize>,
    /// How many of the first subtasks that suit it it gets before experts that are better known.
    #[serde(default)]
    pub trials: u32,
    /// Name of its model, for the kinds `model`, `calculate` and `librarian`.
    #[serde(default)]
    pub model: Option<String>,
    /// For the kind `model`: `code` or `general` (built in), or the path of a Markdown file beside the agent's file.
    #[serde(default)]
    pub prompt: Option<Spanned<String>>,
    /// For the kind `model`: whether its output is `text` or `code`.
    #[serde(default)]
    pub output: Produces,
    /// For the kind `librarian`: the base's file, from the agent's file on; that of the home directory where it is not given.
    #[serde(default)]
    pub base: Option<PathBuf>,
    /// For the kind `librarian`: how many pieces of documents its model reads for an answer.
    #[serde(default)]
    pub pieces: Option<NonZeroUsize>,
    /// For the kind `librarian`: how well these have to fit the question, in [0, 1], for it to answer.
    #[serde(default)]
    pub least_support: Option<f64>,
}

impl ExpertConfig {
    /// The formats that an expert of its kind can write.
    fn can_give(&self) -> Vec<Format> {
        match self.kind.get_ref() {
            Kind::Calculate | Kind::Count => vec![Format::Number],
            Kind::Extract | Kind::Sort => vec![Format::List],
            Kind::Readability => vec![Format::Json],
            Kind::Model => self.output.formats(),
            Kind::Librarian => vec![Format::Text],
        }
    }
}

impl AgentConfig {
    /// The agent that comes with qsef.
    ///
    /// # Errors
    /// None that the tests have not ruled out.
    pub fn builtin() -> Result<Self> {
        Self::parse(include_str!("../../../agents/default.toml"), Path::new("agents/default.toml"))
    }

    /// Reads an agent's file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] naming line and field.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&text, path)
    }

    /// Reads an agent from text; `path` is for messages and for prompts beside it.
    ///
    /// # Errors
    /// [`Error::File`] naming line and field.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let file = File { text, path };
        let mut config: Self = toml::from_str(text).map_err(|e| file.error(e.span(), None, e.message()))?;
        config.path = path.to_owned();
        if config.experts.is_empty() && config.mcp.is_empty() {
            return Err(file.error(
                None,
                Some("experts"),
                "there is no expert: add at least one [[experts]] or [[mcp]]",
            ));
        }
        for (field, value) in [("name", &config.name), ("model", &config.model), ("embedder", &config.embedder)] {
            if value.trim().is_empty() {
                return Err(file.error(None, Some(field), "must not be empty"));
            }
        }
        let mut lines: HashMap<&str, usize> = HashMap::new();
        for expert in &config.experts {
            file.check(expert)?;
            let line = file.line(expert.id.span());
            if let Some(first) = lines.insert(expert.id.get_ref(), line) {
                let message = format!("`{}` is used twice: first on line {first}", expert.id.get_ref());
                return Err(file.error(Some(expert.id.span()), Some("id"), &message));
            }
        }
        let mut lines: HashMap<&str, usize> = HashMap::new();
        for server in &config.mcp {
            file.check_mcp(server)?;
            let line = file.line(server.name.span());
            if let Some(first) = lines.insert(server.name(), line) {
                let message = format!("`{}` is used twice: first on line {first}", server.name());
                return Err(file.error(Some(server.name.span()), Some("name"), &message));
            }
        }
        if let Some(fallback) = &config.fallback
            && !config.experts.iter().any(|e| e.id.get_ref() == fallback.get_ref())
        {
            let message = format!("there is no expert `{}` among [[experts]]", fallback.get_ref());
            return Err(file.error(Some(fallback.span()), Some("fallback"), &message));
        }
        Ok(config)
    }
}

struct File<'a> {
    text: &'a str,
    path: &'a Path,
}

impl File<'_> {
    fn line(&self, span: Range<usize>) -> usize {
        self.text.get(..span.start).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn error(&self, span: Option<Range<usize>>, field: Option<&str>, message: &str) -> Error {
        let named = || message.split_once("field `").and_then(|(_, rest)| rest.split('`').next());
        // The key of a value that an error is in: the last one before it, on its line or, where it has several, above.
        let key = span.clone().and_then(|span| {
            let end = self.text.get(span.start..)?.find('\n').map_or(self.text.len(), |at| span.start + at);
            let keys = regex!(r"(?m)^[ \t]*([A-Za-z0-9_.-]+)[ \t]*=|^[ \t]*\[+([A-Za-z0-9_.-]+)\]+");
            let last = keys.captures_iter(self.text.get(..end)?).last()?;
            last.get(1).or(last.get(2)).map(|key| key.as_str())
        });
        Error::File {
            path: self.path.to_owned(),
            line: span.map(|span| self.line(span)),
            field: field.or_else(named).or(key).map(str::to_owned),
            message: message.trim().to_owned(),
        }
    }

    fn check(&self, expert: &ExpertConfig) -> Result<()> {
        for (field, value) in [("id", &expert.id), ("description", &expert.description)] {
            if value.get_ref().trim().is_empty() {
                return Err(self.error(Some(value.span()), Some(field), "must not be empty"));
            }
        }
        let at = |field: &str, message: &str| Err(self.error(Some(expert.id.span()), Some(field), message));
        let kind = *expert.kind.get_ref();
        if matches!(kind, Kind::Model | Kind::Librarian) && expert.model.as_deref().is_none_or(|m| m.trim().is_empty())
        {
            return at("model", "an expert of the kinds `model` and `librarian` needs the name of a model");
        }
        let of_librarian = [
            ("base", expert.base.is_some()),
            ("pieces", expert.pieces.is_some()),
            ("least_support", expert.least_support.is_some()),
        ];
        if let Some((field, _)) = of_librarian.iter().find(|(_, given)| *given && kind != Kind::Librarian) {
            return at(field, "only an expert of the kind `librarian` has this");
        }
        if expert.least_support.is_some_and(|least| !(0.0..=1.0).contains(&least)) {
            return at("least_support", "must be a number from 0 to 1");
        }
        if kind == Kind::Model && expert.prompt.is_none() {
            return at("prompt", "an expert of the kind `model` needs a prompt: `code`, `general` or a file's path");
        }
        if kind != Kind::Model && expert.prompt.is_some() {
            return at("prompt", "only an expert of the kind `model` has a prompt");
        }
        if !matches!(kind, Kind::Model | Kind::Calculate | Kind::Librarian) && expert.model.is_some() {
            return at("model", "only experts of the kinds `model`, `calculate` and `librarian` have a model");
        }
        for (field, value) in [("usd_per_mtok", expert.usd_per_mtok), ("params_b", expert.params_b)] {
            if value.is_some_and(|v| !v.is_finite() || v < 0.0) {
                return at(field, "must be a number of at least 0");
            }
        }
        if let Some(timeout) = &expert.timeout_s
            && !(timeout.get_ref().is_finite() && *timeout.get_ref() > 0.0)
        {
            return Err(self.error(Some(timeout.span()), Some("timeout_s"), "must be a number of seconds above 0"));
        }
        for (field, kinds) in [("requires", &expert.requires), ("provides", &expert.provides)] {
            if let Some(kinds) = kinds
                && kinds.get_ref().iter().any(|kind| !kind.contains(char::is_alphabetic))
            {
                let message = "must be kinds of thing in words, such as \"order id\"";
                return Err(self.error(Some(kinds.span()), Some(field), message));
            }
        }
        if let Some(gives) = &expert.gives {
            let can = expert.can_give();
            if let Some(other) = gives.get_ref().iter().find(|g| !can.contains(g)) {
                let can: Vec<String> = can.iter().map(ToString::to_string).collect();
                let message = format!("an expert of this kind gives {}, and not {other}", can.join(" or "));
                return Err(self.error(Some(gives.span()), Some("gives"), &message));
            }
        }
        if let Some(schema) = &expert.parameters
            && schema.get_ref().get("type").and_then(|t| t.as_str()) != Some("object")
        {
            let message = "must be a JSON Schema whose `type` is \"object\", with the arguments as its `properties`";
            return Err(self.error(Some(schema.span()), Some("parameters"), message));
        }
        Ok(())
    }
}

/// Makes an expert of the kind `librarian`, which needs a knowledge base; `None` leaves it out, as where the base is empty.
pub type MakeLibrarian<'a> = dyn Fn(&ExpertConfig, ExpertProfile, AnyModel) -> Result<Option<AnyExpert>> + 'a;

/// Makes an agent's experts. `models` gives the model of a name; it is asked once per expert that has one. `librarian` makes
/// those that answer from a knowledge base.
///
/// # Errors
/// As `models` and `librarian`, and [`Error::File`] for a prompt that cannot be read.
pub fn build(
    config: &AgentConfig,
    models: &dyn Fn(&str) -> Result<AnyModel>,
    librarian: &MakeLibrarian<'_>,
) -> Result<Vec<AnyExpert>> {
    config.experts.iter().filter_map(|expert| build_one(config, expert, models, librarian).transpose()).collect()
}

fn build_one(
    config: &AgentConfig,
    expert: &ExpertConfig,
    models: &dyn Fn(&str) -> Result<AnyModel>,
    librarian: &MakeLibrarian<'_>,
) -> Result<Option<AnyExpert>> {
    let model = expert.model.as_deref().map(models).transpose()?;
    let mut profile = ExpertProfile::new(expert.id.get_ref().trim(), expert.description.get_ref().trim())
        .examples(expert.examples.iter().cloned())
        .domains(expert.domains.iter().cloned());
    profile.effects = expert.effects;
    profile.requires_approval = expert.requires_approval;
    profile.timeout_s = expert.timeout_s.as_ref().map(|s| *s.get_ref());
    profile.max_concurrent = expert.max_concurrent.map(NonZeroUsize::get);
    profile.trials = expert.trials;
    if let Some(accepts) = &expert.accepts {
        profile.accepts = accepts.clone();
    }
    profile.takes.clone_from(&expert.takes);
    let gives = expert.gives.as_ref().map(|g| g.get_ref().clone());
    profile.gives = gives.filter(|g| !g.is_empty()).unwrap_or_else(|| expert.can_give());
    let kinds = |kinds: &Option<Spanned<Vec<String>>>| kinds.as_ref().map(|k| k.get_ref().clone()).unwrap_or_default();
    profile.requires = kinds(&expert.requires);
    profile.provides = kinds(&expert.provides);
    profile.parameters = expert.parameters.as_ref().map(|p| p.get_ref().clone());
    let info =
        model.as_ref().filter(|_| matches!(expert.kind.get_ref(), Kind::Model | Kind::Librarian)).map(AnyModel::info);
    profile.params_b = expert.params_b.or_else(|| info.and_then(|i| i.params_b));
    profile.usd_per_mtok = expert.usd_per_mtok.or(info.map(|i| i.price.typical())).unwrap_or_default();
    Ok(Some(match (expert.kind.get_ref(), model) {
        (Kind::Calculate, model) => AnyExpert::new(Calculate::new(profile, model)),
        (Kind::Count, _) => AnyExpert::new(experts::count(profile)),
        (Kind::Extract, _) => AnyExpert::new(experts::extract(profile)),
        (Kind::Sort, _) => AnyExpert::new(experts::sort(profile)),
        (Kind::Readability, _) => AnyExpert::new(experts::readability(profile)),
        (Kind::Model, Some(model)) => {
            let system_prompt = prompt(config, expert)?;
            AnyExpert::new(ModelExpert { profile, model, system_prompt, output: expert.output })
        }
        (Kind::Librarian, Some(model)) => return librarian(expert, profile, model),
        (Kind::Model | Kind::Librarian, None) => {
            return Err(Error::Internal(format!("expert `{}` has no model", profile.id)));
        }
    }))
}

fn prompt(config: &AgentConfig, expert: &ExpertConfig) -> Result<String> {
    let name = expert.prompt.as_ref().map_or("general", |p| p.get_ref().as_str());
    match name {
        "code" => Ok(prompts::CODE.to_owned()),
        "general" => Ok(prompts::GENERAL.to_owned()),
        path => {
            let path = config.path.parent().unwrap_or(Path::new("")).join(path);
            std::fs::read_to_string(&path).map_err(|e| Error::File {
                path: config.path.clone(),
                line: None,
                field: Some("prompt".into()),
                message: format!(
                    "expert `{}`: cannot read {}: {e}; write `code`, `general` or the path of a file",
                    expert.id.get_ref(),
                    path.display()
                ),
            })
        }
    }
}

#[cfg(test)]
mod tests;
