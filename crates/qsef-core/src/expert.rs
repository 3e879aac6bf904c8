use std::{future::Future, pin::Pin, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use crate::{Cost, EventSink, Format, Message, Modality, OutputType, Payload, Result, SubtaskId};

/// What running an expert changes in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Effects {
    /// Nothing: it only computes, so it may run in any order and at the same time as others.
    #[default]
    None,
    /// Something: it runs in the order that the request asks for.
    External,
}

/// What an expert is good at and what it costs (the paper's capability profile, section 6.4.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExpertProfile {
    /// A unique name.
    pub id: String,
    /// What it does, in a sentence or two.
    pub description: String,
    /// Requests that it should get.
    #[serde(default)]
    pub examples: Vec<String>,
    /// The kinds of knowledge that it has (the paper's `Domain`, section 6.4.2), as free tags such as "law"; case does not
    /// count. Empty: any.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Price per 10⁶ tokens in US dollars; 0 for local work.
    #[serde(default)]
    pub usd_per_mtok: f64,
    /// Parameters of its model in units of 10⁹; `None` for code, which has no capacity to exceed.
    #[serde(default)]
    pub params_b: Option<f64>,
    /// JSON Schema of its arguments, where it has any.
    #[serde(default)]
    pub parameters: Option<serde_json::Value>,
    /// What it takes in.
    #[serde(default = "text_only")]
    pub accepts: Vec<Modality>,
    /// The formats in which it reads the outputs of others; what comes in another is converted. Empty: any.
    #[serde(default)]
    pub takes: Vec<Format>,
    /// The formats in which it can write its output, the most natural one first; which of them is wanted, a call says. Empty:
    /// it does not say.
    #[serde(default)]
    pub gives: Vec<Format>,
    /// The types of what it needs, in words such as "order id": another expert's output, or something that the request says.
    #[serde(default)]
    pub requires: Vec<String>,
    /// The types of what its output holds, in words such as "order id".
    #[serde(default)]
    pub provides: Vec<String>,
    /// What running it changes.
    #[serde(default)]
    pub effects: Effects,
    /// Whether a person has to agree before it runs.
    #[serde(default)]
    pub requires_approval: bool,
    /// The most seconds that one call may take; none: the hub's own limit.
    #[serde(default)]
    pub timeout_s: Option<f64>,
    /// The most calls at the same time, over all runs of a hub; none: no limit of its own.
    #[serde(default)]
    pub max_concurrent: Option<usize>,
    /// How many of the first subtasks that it is about as good at as the best it gets before that one, so that it becomes
    /// known; 0 where its profile says enough.
    #[serde(default)]
    pub trials: u32,
}

fn text_only() -> Vec<Modality> {
    vec![Modality::Text]
}

impl ExpertProfile {
    /// A free, local, text expert without side effects.
    pub fn new(id: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            description: description.into(),
            examples: Vec::new(),
            domains: Vec::new(),
            usd_per_mtok: 0.0,
            params_b: None,
            parameters: None,
            accepts: text_only(),
            takes: Vec::new(),
            gives: Vec::new(),
            requires: Vec::new(),
            provides: Vec::new(),
            effects: Effects::None,
            requires_approval: false,
            timeout_s: None,
            max_concurrent: None,
            trials: 0,
        }
    }

    /// Whether running it is more than to compute: it changes something, or a person has to agree first. Such an expert does
    /// only what a request asks for; nothing that goes wrong, and nothing that is missing, brings it in.
    pub fn is_consequential(&self) -> bool {
        self.effects == Effects::External || self.requires_approval
    }

    /// Adds requests that it should get.
    pub fn examples(mut self, examples: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.examples.extend(examples.into_iter().map(Into::into));
        self
    }

    /// Says what the JSON Schema of its arguments is.
    pub fn parameters(mut self, schema: serde_json::Value) -> Self {
        self.parameters = Some(schema);
        self
    }

    /// Adds a signal that it takes in.
    pub fn accepts(mut self, modality: Modality) -> Self {
        self.accepts.push(modality);
        self
    }

    /// Adds formats in which it reads the outputs of others.
    pub fn takes(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.takes.extend(formats);
        self
    }

    /// Adds formats in which it can write its output.
    pub fn gives(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.gives.extend(formats);
        self
    }

    /// Adds kinds of knowledge that it has; without any it is taken to have all.
    pub fn domains(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.domains.extend(domains.into_iter().map(Into::into));
        self
    }
}

/// The output of an earlier subtask, handed to an expert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Which subtask made it.
    pub from: SubtaskId,
    /// What that subtask was.
    pub task: String,
    /// Its output.
    pub payload: Payload,
}

/// What an expert gets to see: its subtask, the outputs it depends on, and what was said around it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExpertCall {
    /// The subtask's number.
    pub id: SubtaskId,
    /// What to do, in the user's words. Data, not instructions to the application.
    pub task: String,
    /// Outputs of earlier subtasks that this one uses.
    pub inputs: Vec<Input>,
    /// What its output is wanted as, by those who use it: one of the formats that it gives, where its profile says any.
    pub output: Option<OutputType>,
    /// What the request tells besides its subtasks, such as "My name is Ann"; empty where it tells nothing. Data.
    pub background: String,
    /// The conversation before the request, oldest first.
    pub history: Vec<Message>,
    /// When the run has to end: an expert that calls others passes on what is left.
    pub deadline: Option<Instant>,
    /// Where to report text as it is made.
    pub events: EventSink,
}

impl ExpertCall {
    /// A call for a task without inputs.
    pub fn new(task: impl Into<String>) -> Self {
        Self {
            id: 1,
            task: task.into(),
            inputs: Vec::new(),
            output: None,
            background: String::new(),
            history: Vec::new(),
            deadline: None,
            events: EventSink::default(),
        }
    }

    /// The task and its inputs as one text.
    pub fn to_text(&self) -> String {
        let mut text = self.task.clone();
        for input in &self.inputs {
            text.push_str(&format!("\n\nResult of \"{}\":\n{}", input.task, input.payload.to_text()));
        }
        text
    }
}

/// What an expert made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The output.
    pub payload: Payload,
    /// What it cost.
    pub cost: Cost,
    /// The model that was called, where one was.
    pub model: Option<String>,
}

impl From<Payload> for Outcome {
    fn from(payload: Payload) -> Self {
        Self { payload, cost: Cost::default(), model: None }
    }
}

/// A small domain expert (SDEM). Implement this for a model, a function or a service; hold an [`AnyExpert`].
pub trait Expert: Send + Sync + 'static {
    /// What it is good at.
    fn profile(&self) -> &ExpertProfile;

    /// How surely it can do a task, in [0, 1], as far as it can tell without doing it: code can often read a task and see.
    /// None, as most answer, where it cannot tell. It is asked for every task that is routed, so it must be quick.
    fn covers(&self, task: &str) -> Option<f64> {
        let _ = task;
        None
    }

    /// How many tokens a model will read for a call, as far as it can tell before it: a budget is checked with that. None, as most
    /// answer, where no model is called or it cannot tell.
    fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64> {
        let _ = call;
        None
    }

    /// Does a subtask. Dropping the future stops the work.
    ///
    /// # Errors
    /// [`crate::Error::Declined`] when the subtask is not one for it, [`crate::Error::Expert`] when it cannot do it; a
    /// model's own errors otherwise.
    fn run(&self, call: ExpertCall) -> impl Future<Output = Result<Outcome>> + Send;
}

type RunFuture<'a> = Pin<Box<dyn Future<Output = Result<Outcome>> + Send + 'a>>;

trait ErasedExpert: Send + Sync {
    fn profile(&self) -> &ExpertProfile;
    fn covers(&self, task: &str) -> Option<f64>;
    fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64>;
    fn run(&self, call: ExpertCall) -> RunFuture<'_>;
}

impl<E: Expert> ErasedExpert for E {
    fn profile(&self) -> &ExpertProfile {
        Expert::profile(self)
    }
    fn covers(&self, task: &str) -> Option<f64> {
        Expert::covers(self, task)
    }
    fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64> {
        Expert::prompt_tokens(self, call)
    }
    fn run(&self, call: ExpertCall) -> RunFuture<'_> {
        Box::pin(Expert::run(self, call))
    }
}

/// Any expert, behind a handle that is cheap to clone.
#[derive(Clone)]
pub struct AnyExpert(Arc<dyn ErasedExpert>);

impl AnyExpert {
    /// Wraps an expert.
    pub fn new(expert: impl Expert) -> Self {
        Self(Arc::new(expert))
    }

    /// What it is good at.
    pub fn profile(&self) -> &ExpertProfile {
        self.0.profile()
    }

    /// See [`Expert::covers`].
    pub fn covers(&self, task: &str) -> Option<f64> {
        self.0.covers(task)
    }

    /// See [`Expert::prompt_tokens`].
    pub fn prompt_tokens(&self, call: &ExpertCall) -> Option<u64> {
        self.0.prompt_tokens(call)
    }

    /// See [`Expert::run`].
    ///
    /// # Errors
    /// As the expert's own.
    pub async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        self.0.run(call).await
    }
}

impl std::fmt::Debug for AnyExpert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnyExpert({})", self.profile().id)
    }
}
