//! The librarian: an expert that answers from a base, names the places that it has it from, and says so where the base does not
//! hold the answer.

mod check;
mod orders;
mod prompt;

use qsef_core::{
    AnyEmbedder, AnyModel, Cost, Error, Event, Expert, ExpertCall, ExpertProfile, Outcome, Payload, Result, Usage,
};
use serde::Serialize;

use crate::{Hit, KnowledgeBase, Place, answers::ANSWER};

/// How a librarian works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LibrarianOptions {
    /// Pieces that the model gets to read.
    pub pieces: usize,
    /// The least [`Answer::support`], in [0, 1], with which the model is asked at all.
    pub least_support: f64,
}

impl Default for LibrarianOptions {
    /// Tuned on questions about this project's documentation, and on such that it does not answer (docs/benchmarks.md).
    fn default() -> Self {
        Self { pieces: 4, least_support: 0.5 }
    }
}

/// A place that an answer is from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Citation {
    /// Its number in the answer, from 1.
    pub number: usize,
    /// The file.
    pub source: String,
    /// Lines or pages of it.
    pub place: Place,
    /// The headings above it.
    pub heading: String,
}

impl std::fmt::Display for Citation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}{}", self.number, self.source, self.place)
    }
}

/// What a base says to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The answer with its citations' numbers; `None` where the base does not hold it.
    pub text: Option<String>,
    /// Where it is from.
    pub citations: Vec<Citation>,
    /// How well the pieces that were found fit the question, in [0, 1].
    pub support: f64,
    /// What it took of the model.
    pub usage: Usage,
}

impl Answer {
    /// As people read it.
    pub fn to_text(&self) -> String {
        let Some(text) = &self.text else {
            return "The knowledge base does not hold the answer.".into();
        };
        let citations: Vec<String> = self.citations.iter().map(ToString::to_string).collect();
        format!("{text}\n\n{}", citations.join("\n"))
    }
}

/// An expert that answers from a knowledge base.
#[derive(Debug, Clone)]
pub struct Librarian {
    /// What it is good at.
    pub profile: ExpertProfile,
    /// What it answers from.
    pub base: KnowledgeBase,
    /// The base's embedder, where the base has vectors.
    pub embedder: Option<AnyEmbedder>,
    /// What puts it in words.
    pub model: AnyModel,
    /// How it works.
    pub options: LibrarianOptions,
}

impl Librarian {
    /// Answers a question.
    ///
    /// # Errors
    /// Those of the base, the embedder and the model.
    pub async fn answer(&self, question: &str) -> Result<Answer> {
        let mut hits = self.base.find(question, 2 * self.options.pieces, self.embedder.as_ref()).await?;
        // What this system said before is no source for what it says.
        hits.retain(|hit| !hit.source.starts_with(ANSWER));
        hits.truncate(self.options.pieces);
        let support = self.support(question, &hits)?;
        hits.iter_mut().for_each(|hit| hit.chunk.text = orders::without_orders(&hit.chunk.text));
        let nothing = |usage| Answer { text: None, citations: Vec::new(), support, usage };
        if support < self.options.least_support {
            return Ok(nothing(Usage::default()));
        }
        let generation = self.model.generate(prompt::request(question, &hits)).await?;
        let said = prompt::read(&generation.text, hits.len()).ok_or_else(|| Error::BadOutput {
            model: self.model.info().name.clone(),
            message: "the answer is not in the form that was asked for".into(),
            output: generation.text.clone(),
        })?;
        let Some((text, cited)) = check::checked(question, said, &hits) else { return Ok(nothing(generation.usage)) };
        let citations = (1..).zip(cited).map(|(number, hit)| Citation {
            number,
            source: hit.source.clone(),
            place: hit.chunk.place,
            heading: hit.chunk.heading.clone(),
        });
        Ok(Answer { text: Some(text), citations: citations.collect(), support, usage: generation.usage })
    }

    /// How well pieces fit a question, in [0, 1]: by how much of its words they have, and by their directions.
    fn support(&self, question: &str, hits: &[Hit]) -> Result<f64> {
        if hits.is_empty() {
            return Ok(0.0);
        }
        let words = self.base.coverage(question, hits)?;
        let cosine = hits
            .iter()
            .filter_map(|hit| hit.cosine)
            .fold(None, |most: Option<f32>, c| Some(most.map_or(c, |m| m.max(c))));
        Ok(fit(words, cosine))
    }
}

/// A logistic regression on the questions of docs/benchmarks.md: 0.5 is where it is as likely as not that the pieces hold the
/// answer.
fn fit(words: f64, cosine: Option<f32>) -> f64 {
    let Some(cosine) = cosine else { return words };
    1.0 / (1.0 + (-(BIAS + WORDS * words + COSINE * f64::from(cosine))).exp())
}

/// What the base's words count, where those of the profile count 1.
const COVERS: f64 = 0.5;

const BIAS: f64 = -5.2;
const WORDS: f64 = 6.5;
const COSINE: f64 = 10.1;

impl Expert for Librarian {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }

    /// How much of the task the base's words cover: the paper's data sparsity, of what the expert really has. That the words are
    /// there does not say that they are to be looked up, so it counts in part.
    fn covers(&self, task: &str) -> Option<f64> {
        self.base.covers(task).ok().map(|covered| COVERS * covered)
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        if call.task.trim().is_empty() {
            return Err(Error::Expert { expert: self.profile.id.clone(), message: "the question is empty".into() });
        }
        let answer = self.answer(&call.to_text()).await?;
        let text = answer.to_text();
        call.events.send(Event::Text { id: call.id, text: text.clone() });
        let (own, price) = (self.profile.usd_per_mtok, self.model.info().price);
        let price = if own > 0.0 && own != price.typical() { own.into() } else { price };
        let model = (answer.usage != Usage::default()).then(|| self.model.info().name.clone());
        Ok(Outcome { payload: Payload::text(text), cost: Cost::of(answer.usage, price), model })
    }
}
