mod dates;
mod evaluate;
mod words;

use std::sync::Arc;

use jiff::civil::Date;
use qsef_core::{
    AnyModel, Cost, Error, Expert, ExpertCall, ExpertProfile, Format, GenerateTyped, Message, Outcome, Payload,
    Request, Result,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::numbers::invented;
use crate::prompts;

/// Calculates exactly: arithmetic, percentages, units and calendar dates.
///
/// Words become an expression by fixed rules; where these fail and there is a model, it writes the expression, but the
/// result always comes from the calculator, and a number that the task does not contain is refused.
#[derive(Clone)]
pub struct Calculate {
    profile: ExpertProfile,
    model: Option<AnyModel>,
    clock: Arc<dyn Fn() -> Date + Send + Sync>,
}

/// What the model is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Expression {
    /// An expression such as `(15 / 100) * 240 km to miles`.
    expression: String,
}

impl Calculate {
    /// With a model for words that the rules do not understand, or without.
    pub fn new(profile: ExpertProfile, model: Option<AnyModel>) -> Self {
        Self { profile, model, clock: Arc::new(|| jiff::Zoned::now().date()) }
    }

    /// Replaces the local date, for tests and replays.
    pub fn clock(mut self, today: impl Fn() -> Date + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(today);
        self
    }

    fn fail(&self, message: impl Into<String>) -> Error {
        Error::Expert { expert: self.profile.id.clone(), message: message.into() }
    }

    fn decline(&self, message: String) -> Error {
        Error::Declined { expert: self.profile.id.clone(), message }
    }

    fn by_rules(&self, task: &str, inputs: &[String]) -> Result<String, String> {
        if let Some(answer) = dates::answer(task, (self.clock)()) {
            return answer;
        }
        let mut failure = "there is nothing to calculate: no number in the task or its inputs".to_owned();
        for expression in words::expressions(task, inputs) {
            match evaluate::evaluate(&expression) {
                Ok(result) => return Ok(result),
                Err(message) => failure = format!("cannot calculate `{expression}`: {message}"),
            }
        }
        Err(failure)
    }

    async fn by_model(&self, model: &AnyModel, call: &ExpertCall) -> Result<Outcome> {
        let text = call.to_text();
        let mut messages = prompts::calculate().to_vec();
        let prefix = messages.len();
        messages.push(Message::user(text.clone()));
        let request = Request::new(messages).max_tokens(128).prefix_messages(prefix);
        let (answer, usage) = model.generate_typed::<Expression>(request).await?;
        let invented = invented(&answer.expression, &text);
        if !invented.is_empty() {
            let numbers = invented.join(", ");
            return Err(self.decline(format!("the model's expression has numbers that the task does not: {numbers}")));
        }
        let expression = answer.expression;
        let shown = expression.clone();
        let result = blocking(move || evaluate::evaluate(&expression)).await?;
        let result = result.map_err(|message| self.fail(format!("cannot calculate `{shown}`: {message}")))?;
        Ok(Outcome {
            payload: Payload::string(result, Format::Number),
            cost: Cost::of(usage, model.info().price),
            model: Some(model.info().name.clone()),
        })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::Internal(e.to_string()))
}

/// The longest task, in bytes, that is tried when it is routed.
const MAX_TRIED: usize = 200;

impl Expert for Calculate {
    fn profile(&self) -> &ExpertProfile {
        &self.profile
    }

    /// What the rules read to the end, the calculator can do.
    fn covers(&self, task: &str) -> Option<f64> {
        let is_candidate = task.len() <= MAX_TRIED && task.contains(char::is_numeric);
        (is_candidate && self.by_rules(task, &[]).is_ok()).then_some(1.0)
    }

    async fn run(&self, call: ExpertCall) -> Result<Outcome> {
        let this = self.clone();
        let task = call.task.clone();
        let inputs: Vec<String> = call.inputs.iter().map(|input| input.payload.to_text()).collect();
        match blocking(move || this.by_rules(&task, &inputs)).await? {
            Ok(result) => Ok(Payload::string(result, Format::Number).into()),
            Err(message) => match &self.model {
                Some(model) if call.to_text().contains(char::is_numeric) && !hopeless(&message) => {
                    self.by_model(model, &call).await
                }
                _ if hopeless(&message) => Err(self.fail(message)),
                _ => Err(self.decline(message)),
            },
        }
    }
}

/// Failures of a well-formed expression, which no other spelling of it mends.
fn hopeless(message: &str) -> bool {
    ["division by zero", "takes too long", "no such date"].iter().any(|why| message.contains(why))
}

#[cfg(test)]
mod tests;
