use std::sync::Arc;

use futures::{StreamExt, stream};
use qsef_core::{
    AnyModel, Delta, DeltaStream, Error, FinishReason, LanguageModel, ModelInfo, Request, Result, TokenLogprob,
    ToolCall, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{failure::Failure, file::Subject, request, tape::Tape};

/// A model that is recorded, or played back where there is none.
pub struct Taped {
    pub tape: Arc<Tape>,
    pub name: String,
    pub info: ModelInfo,
    pub real: Option<AnyModel>,
}

/// An answer as it stands in a cassette.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    text: String,
    /// The lengths of the pieces that it came in, in characters; empty where it came in one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pieces: String,
    /// The tokens' probabilities, by piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<Vec<TokenLogprob>>,
    /// The tools that it asked for, after the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<ToolCall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct End {
    finish: FinishReason,
    usage: Usage,
}

impl Answer {
    fn hear(&mut self, delta: &Result<Delta>) {
        match delta {
            Ok(Delta::Text { text, logprobs }) => {
                self.text += text;
                if !self.pieces.is_empty() {
                    self.pieces.push(' ');
                }
                self.pieces += &text.chars().count().to_string();
                self.logprobs.push(logprobs.clone());
            }
            Ok(Delta::ToolCall(call)) => self.calls.push(call.clone()),
            Ok(Delta::End { usage, finish }) => self.end = Some(End { finish: *finish, usage: *usage }),
            Ok(_) => {}
            Err(error) => self.error = Some(error.into()),
        }
    }

    fn close(mut self) -> Value {
        if !self.pieces.contains(' ') {
            self.pieces.clear();
        }
        if self.logprobs.iter().all(Vec::is_empty) {
            self.logprobs.clear();
        }
        json!(self)
    }

    /// The text in the pieces that it came in, unless a secret was taken out of it since.
    fn texts(&self) -> Vec<String> {
        let lengths: Vec<usize> = self.pieces.split(' ').filter_map(|n| n.parse().ok()).collect();
        let count = self.text.chars().count();
        if lengths.iter().sum::<usize>() != count || count == 0 {
            return vec![self.text.clone()];
        }
        let mut characters = self.text.chars();
        lengths.iter().map(|length| characters.by_ref().take(*length).collect()).collect()
    }

    /// The stream that it was.
    fn deltas(self, name: &str) -> Result<DeltaStream> {
        let texts = self.texts();
        if let (Some(failure), true) = (&self.error, self.text.is_empty()) {
            return Err(failure.clone().into());
        }
        let whole = texts.len() == 1;
        let mut logprobs = if whole { vec![self.logprobs.concat()] } else { self.logprobs }.into_iter();
        let mut deltas: Vec<Result<Delta>> = texts
            .into_iter()
            .map(|text| Ok(Delta::Text { text, logprobs: logprobs.next().unwrap_or_default() }))
            .collect();
        deltas.extend(self.calls.into_iter().map(|call| Ok(Delta::ToolCall(call))));
        deltas.push(match (self.end, self.error) {
            (Some(End { finish, usage }), _) => Ok(Delta::End { usage, finish }),
            (None, Some(failure)) => Err(failure.into()),
            (None, None) => {
                let message = "the recording ends here: whoever asked did not wait for the rest".into();
                Err(Error::Model { model: name.to_owned(), message })
            }
        });
        Ok(stream::iter(deltas).boxed())
    }
}

/// Puts what was heard on the tape when the stream is dropped, at its end or before.
struct Listener {
    tape: Arc<Tape>,
    number: usize,
    answer: Answer,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.tape.end(self.number, std::mem::take(&mut self.answer).close());
    }
}

impl Taped {
    fn subject(&self) -> Subject {
        Subject::Model(self.name.clone())
    }
}

impl LanguageModel for Taped {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Played back, what the model itself counted, where such a request is recorded.
    fn count_tokens(&self, request: &Request) -> u64 {
        if let Some(real) = &self.real {
            return real.count_tokens(request);
        }
        let answer = self.tape.peek(&self.subject(), request::of_model(request));
        let end = answer.and_then(|answer| serde_json::from_value::<Answer>(answer).ok()?.end);
        end.map_or_else(|| request.approximate_tokens(), |end| end.usage.prompt_tokens)
    }

    async fn stream(&self, request: Request) -> Result<DeltaStream> {
        let told = request::of_model(&request);
        let Some(real) = &self.real else {
            return self.tape.play::<Answer>(&self.subject(), told)?.deltas(&self.info.name);
        };
        let number = self.tape.begin(self.subject(), told);
        let mut listener = Listener { tape: self.tape.clone(), number, answer: Answer::default() };
        match real.stream(request).await {
            Ok(deltas) => Ok(deltas.inspect(move |delta| listener.answer.hear(delta)).boxed()),
            Err(error) => {
                listener.answer.error = Some((&error).into());
                Err(error)
            }
        }
    }
}
