use std::fmt;

/// What a plan spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// US dollars.
    Usd,
    /// Tokens.
    Tokens,
    /// Seconds along the longest path.
    Seconds,
}

/// Why there is no assignment.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AssignError {
    /// A number or an order that makes no sense; the message says which.
    #[error("{0}")]
    Input(String),
    /// No choice of experts keeps the budgets.
    #[error("{}", infeasible(*.resource, *.limit, *.least, *.alone))]
    Infeasible {
        /// The budget that is too small.
        resource: Resource,
        /// What it is.
        limit: f64,
        /// The least that would be enough.
        least: f64,
        /// Whether that is so even without the other budgets; otherwise `least` is what it takes within those named
        /// before it in [`Resource`].
        alone: bool,
    },
    /// Each budget can be kept alone, but within the node budget none was found that keeps all, nor a proof of why.
    #[error(
        "no choice of experts was found that keeps all budgets together, though each can be kept alone; loosen one of them"
    )]
    NotFound,
}

fn infeasible(resource: Resource, limit: f64, least: f64, alone: bool) -> String {
    let (cheapest, budget) = match resource {
        Resource::Usd => ("cheapest", "money budget"),
        Resource::Tokens => ("thriftiest", "token budget"),
        Resource::Seconds => ("fastest", "deadline"),
    };
    let (limit, least) = (Amount(resource, limit), Amount(resource, least));
    if alone {
        format!("the {budget} of {limit} is too small: even the {cheapest} experts for this plan need {least}")
    } else {
        format!("the {budget} of {limit} is too small: within the other budgets this plan needs at least {least}")
    }
}

struct Amount(Resource, f64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Six digits after the point say what a budget is off by, also where subtasks cost fractions of a cent.
        let digits = |x: f64| {
            let text = format!("{x:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        match self.0 {
            Resource::Usd => write!(f, "{} US dollars", digits(self.1)),
            Resource::Tokens => write!(f, "{:.0} tokens", self.1),
            Resource::Seconds => write!(f, "{} s", digits(self.1)),
        }
    }
}

/// As the CLI's exit codes have it: input that has to change, or a budget that does not do.
impl From<AssignError> for qsef_core::Error {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::Input(message) => Self::Input(message),
            other => Self::Budget(other.to_string()),
        }
    }
}
