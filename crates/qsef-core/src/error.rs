use std::{path::PathBuf, time::Duration};

/// A result with qsef's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong. Each message says what failed and, where it is known, what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Input that the caller has to change: a request, an option, a file. The CLI exits with 2.
    #[error("{0}")]
    Input(String),
    /// A file that does not say what it should, with the place.
    #[error("{}{}{}: {message}", path.display(), line.map(|l| format!(":{l}")).unwrap_or_default(), field.as_ref().map(|f| format!(" ({f})")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1, where known.
        line: Option<usize>,
        /// The field, as the file spells it, where known.
        field: Option<String>,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A model's files are missing, damaged or cannot be fetched.
    #[error("{0}")]
    ModelFile(String),
    /// A model or its server failed.
    #[error("model `{model}`: {message}")]
    Model {
        /// The model's name.
        model: String,
        /// What failed.
        message: String,
    },
    /// A model answered with something other than what the schema or the caller needs.
    #[error("model `{model}` answered with something unusable: {message}")]
    BadOutput {
        /// The model's name.
        model: String,
        /// Why the output cannot be used.
        message: String,
        /// The output as it came.
        output: String,
    },
    /// An expert could not do its subtask.
    #[error("expert `{expert}`: {message}")]
    Expert {
        /// The expert's id.
        expert: String,
        /// What failed.
        message: String,
    },
    /// An expert sees that a task is not one for it, before it has done anything: another may take it.
    #[error("expert `{expert}`: {message}")]
    Declined {
        /// The expert's id.
        expert: String,
        /// What it lacks.
        message: String,
    },
    /// An expert or its server is overloaded, restarting or cut off: the same call may succeed later.
    #[error("`{what}` is not available: {message}")]
    Unavailable {
        /// The expert, model or server.
        what: String,
        /// What it answered, or how the connection ended.
        message: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// An expert took too long and was stopped.
    #[error("`{what}` took longer than {after:?} and was stopped")]
    TimedOut {
        /// The expert.
        what: String,
        /// How long it was given.
        after: Duration,
    },
    /// A guard did not let a call or its result pass.
    #[error("not allowed: {0}")]
    Vetoed(String),
    /// A budget is used up. The CLI exits with 3, and prints what is done.
    #[error("budget exhausted: {0}")]
    Budget(String),
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Reading or writing failed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A defect or an unexpected state inside qsef or one of its libraries.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// An [`Error::Io`] for an action on a path.
    pub fn io(action: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { context: format!("cannot {action} {}", path.display()), source }
    }
}
