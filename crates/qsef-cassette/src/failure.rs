use std::time::Duration;

use qsef_core::Error;
use serde::{Deserialize, Serialize};

/// An error as it stands in a cassette: what a run does about it depends on its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    Input(String),
    ModelFile(String),
    Model { model: String, message: String },
    BadOutput { model: String, message: String, output: String },
    Expert { expert: String, message: String },
    Declined { expert: String, message: String },
    Unavailable { what: String, message: String, retry_after_ms: Option<u64> },
    TimedOut { what: String, after_ms: u64 },
    Vetoed(String),
    Budget(String),
    Cancelled,
    Internal(String),
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Input(message) => Self::Input(message.clone()),
            Error::ModelFile(message) => Self::ModelFile(message.clone()),
            Error::Model { model, message } => Self::Model { model: model.clone(), message: message.clone() },
            Error::BadOutput { model, message, output } => {
                Self::BadOutput { model: model.clone(), message: message.clone(), output: output.clone() }
            }
            Error::Expert { expert, message } => Self::Expert { expert: expert.clone(), message: message.clone() },
            Error::Declined { expert, message } => Self::Declined { expert: expert.clone(), message: message.clone() },
            Error::Unavailable { what, message, retry_after } => Self::Unavailable {
                what: what.clone(),
                message: message.clone(),
                retry_after_ms: retry_after.map(milliseconds),
            },
            Error::TimedOut { what, after } => Self::TimedOut { what: what.clone(), after_ms: milliseconds(*after) },
            Error::Vetoed(message) => Self::Vetoed(message.clone()),
            Error::Budget(message) => Self::Budget(message.clone()),
            Error::Cancelled => Self::Cancelled,
            Error::Internal(message) => Self::Internal(message.clone()),
            // Files that cannot be read, here and there, and kinds to come.
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Input(message) => Self::Input(message),
            Failure::ModelFile(message) => Self::ModelFile(message),
            Failure::Model { model, message } => Self::Model { model, message },
            Failure::BadOutput { model, message, output } => Self::BadOutput { model, message, output },
            Failure::Expert { expert, message } => Self::Expert { expert, message },
            Failure::Declined { expert, message } => Self::Declined { expert, message },
            Failure::Unavailable { what, message, retry_after_ms } => {
                Self::Unavailable { what, message, retry_after: retry_after_ms.map(Duration::from_millis) }
            }
            Failure::TimedOut { what, after_ms } => Self::TimedOut { what, after: Duration::from_millis(after_ms) },
            Failure::Vetoed(message) => Self::Vetoed(message),
            Failure::Budget(message) => Self::Budget(message),
            Failure::Cancelled => Self::Cancelled,
            Failure::Internal(message) => Self::Internal(message),
        }
    }
}
