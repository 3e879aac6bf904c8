//! How failures become qsef's errors.

use async_openai::error::OpenAIError;
use qsef_core::Error;
use serde_json::Value;

use crate::http::{Refusal, shortened};

/// Who failed: the names that a message needs.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The model, as its information names it.
    pub model: String,
    /// The endpoint, as messages name it.
    pub endpoint: String,
}

impl Who {
    pub fn model(&self, message: impl std::fmt::Display) -> Error {
        Error::Model { model: self.model.clone(), message: format!("{}: {message}", self.endpoint) }
    }

    pub fn unavailable(&self, message: impl std::fmt::Display) -> Error {
        let (what, message) = (self.model.clone(), format!("{}: {message}", self.endpoint));
        Error::Unavailable { what, message, retry_after: None }
    }

    fn input(&self, message: impl std::fmt::Display) -> Error {
        Error::Input(format!("model `{}`: {}: {message}", self.model, self.endpoint))
    }

    /// What a failed call means.
    pub fn error(&self, error: OpenAIError) -> Error {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<Refusal>() {
                Ok(refusal) => self.refused(*refusal),
                Err(error) => self.model(error),
            },
            OpenAIError::Reqwest(error) if error.is_connect() => self.unavailable(format!(
                "cannot connect ({}): is the server running, and is OPENAI_BASE_URL right?",
                root_cause(&error)
            )),
            OpenAIError::Reqwest(error) if error.is_builder() => self.input(root_cause(&error)),
            OpenAIError::Reqwest(error) => self.unavailable(format!("the connection broke ({})", root_cause(&error))),
            OpenAIError::StreamError(_) => self.unavailable("the connection broke in the middle of the answer"),
            OpenAIError::JSONDeserialize(error, text) => {
                self.model(format!("what came is not JSON of the API ({error}): {}", shortened(&text)))
            }
            error => self.model(error),
        }
    }

    /// What an error inside a stream means.
    pub fn in_stream(&self, error: &Value) -> Error {
        let message = error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned);
        let code = error.get("code").map(|c| c.as_u64().map_or_else(|| c.to_string(), |c| c.to_string()));
        let server = code.is_some_and(|code| code.trim_matches('"').starts_with('5') || code.contains("server"))
            || error.get("type").and_then(Value::as_str).is_some_and(|kind| kind.contains("server"));
        let message = shortened(&message);
        if server { self.unavailable(message) } else { self.model(message) }
    }

    fn refused(&self, Refusal { status, message, code, retry_after }: Refusal) -> Error {
        let said = if message.is_empty() { format!("status {status}") } else { format!("{message} (status {status})") };
        match status {
            401 | 403 => {
                self.input(format!("the key is missing, wrong or not allowed to do this; see OPENAI_API_KEY: {said}"))
            }
            404 => self.input(format!("there is no such model, or the base URL is wrong (most end in /v1): {said}")),
            413 => self.input(said),
            _ if code == "insufficient_quota" => self.model(format!("the account has no credit left: {said}")),
            _ if code == "context_length_exceeded"
                || message.contains("context length")
                || message.contains("context size") =>
            {
                self.input(format!("the prompt is longer than the model's context: {said}"))
            }
            408 | 409 | 425 | 429 | 500.. => Error::Unavailable {
                what: self.model.clone(),
                message: format!("{}: {said}", self.endpoint),
                retry_after,
            },
            _ => self.model(said),
        }
    }
}

/// The innermost cause, which names the fault; those around it only say that sending failed, and may tell the URL with its secrets.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
