//! Runs: what is left to do, who does it, and what came of it. The state machine ([`Run`], [`Step`], [`Action`]) has no
//! input or output; the driver makes the calls and stores each step before it goes on.

mod approve;
mod driver;
mod next;
mod retry;
mod state;
mod step;

pub use approve::{Approver, Question};
pub(crate) use driver::{Driver, Setting};
pub use next::Action;
pub(crate) use retry::RetryBudget;
pub use state::{Run, Work};
pub use step::{Approval, Candidate, Choice, Ended, Fault, FaultKind, Step};

use qsef_core::{Error, Result};

/// Makes a run again of its steps, and checks that each was what there was to do.
///
/// # Errors
/// [`Error::Input`] for a step that does not follow from those before it.
pub fn replay(steps: impl IntoIterator<Item = Step>) -> Result<Run> {
    let mut run = Run::default();
    for (number, step) in (1u64..).zip(steps) {
        let wrong = |why: String| Error::Input(format!("step {number} of the trace does not follow: {why}"));
        if let Some(why) = unexpected(&run, &step) {
            return Err(wrong(why));
        }
        run.apply(step).map_err(|e| wrong(e.to_string()))?;
    }
    Ok(run)
}

/// Why a step is not one that the run had to come to.
fn unexpected(run: &Run, step: &Step) -> Option<String> {
    let offered = |action: Action| (!run.next().contains(&action)).then(|| format!("there was no {action:?} to do"));
    if run.steps == 0 && !matches!(step, Step::Begun { .. }) {
        return Some("a run begins with a request".into());
    }
    match step {
        Step::Begun { .. } => (run.steps > 0).then(|| "it begins again".into()),
        Step::Planned { .. } => offered(Action::Plan),
        Step::Assigned { choices } => {
            let subtasks = run.plan.as_ref().map(|p| p.subtasks.iter().map(|s| s.id).collect::<Vec<_>>());
            let chosen: Vec<_> = choices.iter().map(|c| c.id).collect();
            offered(Action::Assign)
                .or_else(|| (subtasks != Some(chosen)).then(|| "it gives away other subtasks than there are".into()))
        }
        Step::Started { id, expert, task } => offered(Action::Call(*id)).or_else(|| {
            let work = run.work.get(id)?;
            let asked = (work.expert().map(|e| e.expert.as_str()), work.task());
            (asked != (Some(expert), task)).then(|| format!("{expert} was asked `{task}` instead of {asked:?}"))
        }),
        Step::Ended { id, expert, .. } => {
            let work = run.work.get(id).filter(|w| w.is_under_way() && w.expert().is_some_and(|e| e.expert == *expert));
            work.is_none().then(|| format!("{expert} was not at work on {id}"))
        }
        Step::Replanned { id, .. } => offered(Action::Replan(*id)),
        Step::Asked { id } => offered(Action::Ask(*id)),
        Step::Answered { id, .. } => {
            (!run.paused().any(|w| w.subtask.id == *id)).then(|| format!("nobody was asked about {id}"))
        }
        Step::Stopped { .. } | Step::Resumed { .. } => None,
    }
}
