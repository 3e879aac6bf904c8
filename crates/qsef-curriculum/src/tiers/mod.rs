//! One item in tiers: written, put in order, checked, judged.

mod analogy;
mod check;
mod choose;
mod explain;
mod judge;
mod question;
mod reasoning;
mod rows;
mod teacher;
mod topic;
mod write;

use futures::future::try_join_all;
use qsef_core::{AnyEmbedder, AnyModel, Cost, Error, Request, Result};
use qsef_score::{Metric, cosine};

use crate::{
    facts::Facts,
    item::{Item, Kind, Language, Pair, Rejected, Row, Step, TeacherRow},
    measure::Ruler,
    output::{ItemInfo, StepCost, TierPoint},
    requests::{Asked, Asker},
    settings::Settings,
};

/// What tiers are written with.
pub(crate) struct Tools {
    pub settings: Settings,
    pub asker: Asker,
    pub judge: AnyModel,
    pub embedder: Option<AnyEmbedder>,
    pub ruler: Ruler,
}

/// What came of one item.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Its accepted tiers, the hardest first.
    pub rows: Vec<Row>,
    /// Its accepted and rejected wordings.
    pub pairs: Vec<Pair>,
    /// What was rejected of it.
    pub rejected: Vec<Rejected>,
    /// A teacher's answers to its rows.
    pub teacher: Vec<TeacherRow>,
    /// Its figures.
    pub info: ItemInfo,
    /// What it cost, by step.
    pub steps: Vec<StepCost>,
}

/// The work on one item.
struct Work<'a> {
    tools: &'a Tools,
    settings: &'a Settings,
    item: Item,
    context: Facts,
    usd: f64,
    steps: Vec<StepCost>,
}

/// Writes an item's tiers.
///
/// # Errors
/// What stops the job: a server that stays away, a key that is refused. What concerns the item alone is in its outcome.
pub(crate) async fn tell(tools: &Tools, item: Item) -> Result<Outcome> {
    let context = Facts::of(&item.text, item.language);
    let settings = &tools.settings;
    let mut work = Work { tools, settings, item, context, usd: 0.0, steps: Vec::new() };
    match work.run().await {
        Ok(outcome) => Ok(outcome),
        Err(Error::Model { model, message } | Error::BadOutput { model, message, .. }) => {
            Ok(work.fails(Step::Tier, format!("the model `{model}` failed: {message}")))
        }
        Err(error) => Err(error),
    }
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Outcome> {
        match self.item.kind {
            Kind::Reasoning => return self.reason().await,
            Kind::Topic => {
                if let Some(fault) = self.write_topic().await? {
                    return Ok(self.fails(Step::Tier, fault));
                }
            }
            Kind::Passage | Kind::Answer => {}
        }
        self.explain().await
    }

    fn info(&self, accepted: bool, strictly_ordered: bool, tiers: Vec<TierPoint>) -> ItemInfo {
        let sum = |of: fn(&StepCost) -> u64| self.steps.iter().map(of).sum::<u64>();
        let rewordings = self.steps.iter().filter(|step| step.name == "tiers").map(|step| step.requests).sum::<u64>();
        ItemInfo {
            id: self.item.id.clone(),
            accepted,
            strictly_ordered,
            attempts: rewordings as u32,
            requests: sum(|step| step.requests) as u32,
            prompt_tokens: sum(|step| step.prompt_tokens),
            completion_tokens: sum(|step| step.completion_tokens),
            usd: self.usd,
            language: self.item.language,
            tiers,
        }
    }

    /// The outcome of an item that fell out as a whole.
    fn fails(&self, step: Step, reason: String) -> Outcome {
        let rejected = vec![Rejected::item(&self.item, step, reason)];
        let info = self.info(false, false, Vec::new());
        Outcome { rows: Vec::new(), pairs: Vec::new(), rejected, teacher: Vec::new(), info, steps: self.steps.clone() }
    }

    async fn ask(&mut self, step: &'static str, request: Request) -> Result<Asked> {
        let answers = self.ask_all(step, vec![request]).await?;
        answers.into_iter().next().ok_or_else(|| Error::Internal("no answer came".into()))
    }

    /// Asks for several answers at the same time.
    async fn ask_all(&mut self, step: &'static str, requests: Vec<Request>) -> Result<Vec<Asked>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let asker = &self.tools.asker;
        let model = if step == "judge" { &self.tools.judge } else { asker.model() };
        let answers = try_join_all(requests.into_iter().map(|request| asker.ask(model, request))).await?;
        if !self.steps.iter().any(|known| known.name == step) {
            self.steps.push(StepCost { name: step.into(), ..StepCost::default() });
        }
        for known in self.steps.iter_mut().filter(|known| known.name == step) {
            for answer in &answers {
                known.requests += 1;
                known.prompt_tokens += answer.usage.prompt_tokens;
                known.completion_tokens += answer.usage.completion_tokens;
                self.usd += Cost::of(answer.usage, model.info().price).usd;
            }
        }
        Ok(answers)
    }

    async fn vectors(&self, texts: Vec<String>) -> Result<Option<Vec<Vec<f32>>>> {
        match &self.tools.embedder {
            Some(embedder) if !texts.is_empty() => Ok(Some(embedder.embed(texts).await?)),
            _ => Ok(None),
        }
    }

    fn distance(&self, a: &[f32], b: &[f32]) -> f64 {
        Metric::Cosine.distance(cosine(a, b))
    }
}

/// A text of an answer that is a JSON object.
fn field(answer: &str, name: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(answer).ok()?;
    Some(value.get(name)?.as_str()?.trim().to_owned())
}

/// About how many tokens a text is: what a tokenizer says would depend on whether its model is loaded.
pub(crate) fn estimate_tokens(text: &str, language: Language) -> u64 {
    let bytes = if language == Language::Zh { 3 } else { 4 };
    text.len().div_ceil(bytes) as u64
}
