//! What went wrong between qsef and a server, in words, and whether it may pass.

use std::{error::Error as StdError, time::Duration};

use rmcp::{
    model::ErrorData,
    service::{ClientInitializeError, ServiceError},
    transport::streamable_http_client::StreamableHttpError,
};

/// A fault of a server or of the way to it.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// What is wrong, to follow the server's name.
    pub what: String,
    /// The connection is gone.
    pub closed: bool,
    /// The same may work later.
    pub passes: bool,
    /// When, as far as the server says.
    pub retry_after: Option<Duration>,
}

impl Trouble {
    /// One that stays.
    pub fn lasting(what: impl Into<String>) -> Self {
        Self { what: what.into(), closed: false, passes: false, retry_after: None }
    }

    fn passing(what: impl Into<String>) -> Self {
        Self { passes: true, ..Self::lasting(what) }
    }

    /// A request that failed.
    pub fn of_request(error: &ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::lasting(refusal(error)),
            ServiceError::TransportClosed => Self { closed: true, ..Self::passing("its connection ended") },
            ServiceError::UnexpectedResponse => Self::lasting("its answer is not one that the protocol has here"),
            ServiceError::TransportSend(error) => Self::of_transport(error.error.as_ref()),
            other => Self::lasting(other.to_string()),
        }
    }

    /// A connection that did not come about.
    pub fn of_start(error: &ClientInitializeError) -> Self {
        match error {
            ClientInitializeError::JsonRpcError(error) => Self::lasting(refusal(error)),
            ClientInitializeError::ConnectionClosed(_) => {
                Self { closed: true, ..Self::passing("it ended the connection before it said what it is") }
            }
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Self::of_start(fallback),
            ClientInitializeError::ExpectedInitResponse(_) | ClientInitializeError::ExpectedInitResult(_) => {
                Self::lasting("it does not answer as an MCP server does")
            }
            ClientInitializeError::TransportError { error, .. } => Self::of_transport(error.error.as_ref()),
            other => Self::lasting(other.to_string()),
        }
    }

    /// An error of the way to the server.
    fn of_transport(error: &(dyn StdError + Send + Sync + 'static)) -> Self {
        Self::of_http(error).unwrap_or_else(|| match error.downcast_ref::<std::io::Error>() {
            // A pipe to a program that is gone.
            Some(_) => Self { closed: true, ..Self::passing("its connection ended") },
            None => Self::lasting(error.to_string()),
        })
    }

    /// The same for errors that HTTP brought.
    fn of_http(error: &(dyn StdError + 'static)) -> Option<Self> {
        let error = causes(error).find_map(|e| e.downcast_ref::<StreamableHttpError<reqwest::Error>>())?;
        Some(match error {
            StreamableHttpError::HttpStatus(status) => {
                let seconds = status.retry_after.as_deref().and_then(|s| s.trim().parse().ok());
                let what = format!("it answers with HTTP status {}", status.status);
                Self { retry_after: seconds.map(Duration::from_secs), ..Self::passing(what) }
            }
            StreamableHttpError::Client(error) => {
                let deepest = causes(error).last();
                Self::passing(format!("it cannot be reached: {}", deepest.map(ToString::to_string).unwrap_or_default()))
            }
            StreamableHttpError::AuthRequired(_) | StreamableHttpError::InsufficientScope(_) => Self::lasting(DENIED),
            StreamableHttpError::UnexpectedServerResponse(text)
                if text.contains("HTTP 401") || text.contains("HTTP 403") =>
            {
                Self::lasting(DENIED)
            }
            StreamableHttpError::UnexpectedContentType(kind) => {
                let kind = kind.as_deref().unwrap_or("no type of content");
                Self::lasting(format!(
                    "it answers with {kind} where MCP has JSON or events: is the URL that of an MCP server?"
                ))
            }
            StreamableHttpError::ResponseBodyTooLarge { max_size } => Self::lasting(format!(
                "the answer has more than {} MiB, which is the most that is taken",
                max_size >> 20
            )),
            StreamableHttpError::UnexpectedEndOfStream | StreamableHttpError::TransportChannelClosed => {
                Self { closed: true, ..Self::passing("its connection ended") }
            }
            other => Self::lasting(other.to_string()),
        })
    }
}

/// An error, what caused it, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next.take()?;
        next = error.source();
        Some(error)
    })
}

const DENIED: &str = "it denies access: `token_env` names the variable that holds its token";

/// An error that the server sent.
fn refusal(error: &ErrorData) -> String {
    let message: String = error.message.chars().filter(|c| !c.is_control()).take(500).collect();
    format!("it answers with an error: {message} ({})", error.code.0)
}
