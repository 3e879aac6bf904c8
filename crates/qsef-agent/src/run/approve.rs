use std::{future::Future, sync::Arc};

use futures::future::BoxFuture;
use qsef_core::{Input, SubtaskId};

use super::{step::Approval, work::Work};

/// What a person is asked before an expert runs that needs it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Question {
    /// The subtask.
    pub id: SubtaskId,
    /// What is to be done.
    pub task: String,
    /// Who would do it.
    pub expert: String,
    /// What it would be given.
    pub inputs: Vec<Input>,
    /// Why it has this expert, or why it is asked about again.
    pub why: String,
}

type Ask = dyn Fn(Question) -> BoxFuture<'static, Option<Approval>> + Send + Sync;

/// Asks a person, where one is there while the run goes on. Cheap to clone.
#[derive(Clone)]
pub struct Approver(Arc<Ask>);

impl Approver {
    /// An approver that asks with `ask`; where that gives none, the run pauses there.
    pub fn new<F>(ask: impl Fn(Question) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Approval>> + Send + 'static,
    {
        Self(Arc::new(move |question| Box::pin(ask(question))))
    }

    pub(super) fn ask(&self, work: &Work, inputs: Vec<Input>) -> BoxFuture<'static, Option<Approval>> {
        let expert = work.expert().map(|e| e.expert.clone()).unwrap_or_default();
        let (id, task, why) = (work.subtask.id, work.task().to_owned(), work.why.clone());
        (self.0)(Question { id, task, expert, inputs, why })
    }
}

impl std::fmt::Debug for Approver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Approver")
    }
}
