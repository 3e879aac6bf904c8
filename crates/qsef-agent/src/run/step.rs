use std::time::Duration;

use qsef_core::{
    Budget, Cost, Effects, Error, ExpertProfile, HandOff, Input, Message, Outcome, Plan, Subtask, SubtaskId, Usage,
};
use qsef_score::Score;
use serde::{Deserialize, Serialize};

use super::{committee::Integration, compose::Composition};

/// Something that happened in a run. A run is what its steps make of it, one after the other: they are what is stored, and
/// all that is needed to go on with it or to look at it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// A request came.
    Begun {
        /// The request.
        request: String,
        /// The most it may spend.
        budget: Budget,
        /// The conversation before it.
        history: Vec<Message>,
        /// The result before it.
        previous: Option<Input>,
        /// How the outputs of several experts become one, where several are to do each subtask.
        #[serde(default)]
        committee: Option<Integration>,
        /// What 10⁶ tokens of the model cost, in US dollars, that is to write the outputs as one text; none where they are joined
        /// as they are.
        #[serde(default)]
        compose: Option<f64>,
    },
    /// It was split.
    Planned {
        /// The subtasks.
        plan: Plan,
        /// What the request tells besides its subtasks.
        background: String,
        /// What was repaired in the plan, in words.
        repairs: Vec<String>,
        /// What planning took.
        cost: Cost,
        /// The model that was called, where one was.
        model: Option<String>,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
    },
    /// Every subtask has an expert, and what these need is in the plan.
    Assigned {
        /// The subtasks, with those that were added.
        plan: Plan,
        /// Who does what, in the plan's order.
        choices: Vec<Choice>,
        /// What was changed in the plan, in words.
        repairs: Vec<String>,
        /// What it took to complete the plan.
        cost: Cost,
        /// The model that was called for that, where one was.
        model: Option<String>,
    },
    /// What a model will read for a call was counted, before the call.
    Counted {
        /// The subtask.
        id: SubtaskId,
        /// The expert.
        expert: String,
        /// Tokens.
        prompt_tokens: u64,
    },
    /// An expert was called.
    Started {
        /// The subtask.
        id: SubtaskId,
        /// The expert.
        expert: String,
        /// What it was asked: a replay checks that it would ask the same.
        task: String,
    },
    /// An expert's call ended.
    Ended {
        /// The subtask.
        id: SubtaskId,
        /// The expert.
        expert: String,
        /// How long the call took, in milliseconds.
        elapsed_ms: u64,
        /// What came of it.
        result: Ended,
        /// How the outputs that it was handed were made into what it takes; those that it took as they were are left out.
        #[serde(default)]
        hand_offs: Vec<HandedOff>,
    },
    /// What the members of a committee made became one output.
    Integrated {
        /// The subtask.
        id: SubtaskId,
        /// The output, and what it took to make one of several.
        outcome: Outcome,
        /// The share of the members' weight that agrees with it, in [0, 1].
        agreement: f64,
    },
    /// A subtask that no expert could do was split.
    Replanned {
        /// The subtask.
        id: SubtaskId,
        /// The subtasks that replace it, the last of which makes its output; none where it cannot be split.
        subtasks: Vec<Subtask>,
        /// Who does them.
        choices: Vec<Choice>,
        /// What planning took.
        cost: Cost,
        /// The model that was called, where one was.
        model: Option<String>,
    },
    /// One text was written of the outputs, or they stay as they are.
    Composed {
        /// What it says, and why something was left out.
        composition: Composition,
        /// What it took.
        cost: Cost,
        /// The model that was called, where one was.
        model: Option<String>,
    },
    /// A person was asked about a subtask.
    Asked {
        /// The subtask.
        id: SubtaskId,
    },
    /// A person answered.
    Answered {
        /// The subtask.
        id: SubtaskId,
        /// What was said.
        approval: Approval,
    },
    /// The run ended before its end.
    Stopped {
        /// The limit that was reached, in words.
        reason: String,
    },
    /// It was taken up again: what was under way is not any more.
    Resumed {
        /// The most that it may spend from now on, what was spent before included.
        budget: Budget,
    },
}

/// An output of one subtask that was made into what the expert of another takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandedOff {
    /// Whose output it is.
    pub of: SubtaskId,
    /// What was done.
    pub hand_off: HandOff,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// An output.
    Done(Outcome),
    /// A failure.
    Failed(Fault),
}

/// A person's word on a subtask that needs one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Approval {
    /// Do it.
    Approve,
    /// Do not, for a reason that may be empty.
    Deny(String),
    /// Do this instead.
    Edit(String),
}

/// An expert that may do a subtask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The expert.
    pub expert: String,
    /// Its efficiency, in (0, 1].
    pub te: f64,
    /// US dollars that it may cost.
    pub usd: f64,
    /// Tokens that it may use.
    pub tokens: u64,
    /// Tokens that its model will read, once they are counted.
    #[serde(default)]
    pub prompt_tokens: Option<u64>,
    /// Whether it changes something in the world.
    pub external: bool,
    /// Whether a person has to agree first.
    pub requires_approval: bool,
}

impl Candidate {
    /// An expert with what it may need.
    pub(crate) fn new(profile: &ExpertProfile, te: f64, usd: f64, tokens: u64) -> Self {
        Self {
            expert: profile.id.clone(),
            te,
            usd,
            tokens,
            prompt_tokens: None,
            external: profile.effects == Effects::External,
            requires_approval: profile.requires_approval,
        }
    }

    /// US dollars and tokens that a call may take: what calls of the expert take on average, unless what it will read is counted.
    /// Then only the answer is taken to be as usual, which is a quarter of a call's tokens ([`qsef_core::Price::typical`]).
    pub fn takes(&self) -> (f64, u64) {
        let Some(prompt) = self.prompt_tokens else { return (self.usd, self.tokens) };
        let tokens = prompt.saturating_add(self.tokens / 4);
        (if self.tokens == 0 { self.usd } else { self.usd * tokens as f64 / self.tokens as f64 }, tokens)
    }

    /// See [`ExpertProfile::is_consequential`].
    pub(crate) fn is_consequential(&self) -> bool {
        self.external || self.requires_approval
    }
}

/// Who does a subtask, and who else could.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The subtask.
    pub id: SubtaskId,
    /// The chosen expert, then those that take over where it cannot do it, in this order.
    pub candidates: Vec<Candidate>,
    /// Those that do it together, where it is more than one.
    #[serde(default)]
    pub committee: Vec<Candidate>,
    /// Why the first, in a line.
    pub why: String,
    /// The best scores, best first.
    pub scores: Vec<Score>,
}

/// What kind of failure a call ended with: it decides what is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Overloaded, restarting or cut off: the same may work later.
    Unavailable,
    /// It took too long.
    TimedOut,
    /// What came back cannot be used.
    Invalid,
    /// The expert saw that the subtask is not one for it, and did nothing.
    Declined,
    /// A guard, a budget or a person did not allow it.
    Vetoed,
    /// Anything else.
    Failed,
}

/// A failure of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// What went wrong.
    pub message: String,
    /// Milliseconds after which the same expert is called again; none where it is not.
    pub retry_ms: Option<u64>,
}

impl Fault {
    /// The kind of an error.
    pub(crate) fn kind(error: &Error) -> FaultKind {
        match error {
            Error::Unavailable { .. } => FaultKind::Unavailable,
            Error::TimedOut { .. } => FaultKind::TimedOut,
            Error::BadOutput { .. } => FaultKind::Invalid,
            Error::Declined { .. } => FaultKind::Declined,
            Error::Vetoed(_) | Error::Budget(_) | Error::Cancelled => FaultKind::Vetoed,
            _ => FaultKind::Failed,
        }
    }
}

/// Milliseconds in a duration.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The tokens of a cost.
pub(crate) fn tokens(usage: Usage) -> u64 {
    usage.prompt_tokens + usage.completion_tokens
}
