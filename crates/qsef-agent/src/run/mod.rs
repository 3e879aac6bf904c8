//! Runs: what is left to do, who does it, and what came of it. The state machine ([`Run`], [`Step`], [`Action`]) has no
//! input or output; the driver makes the calls and stores each step before it goes on.

mod approve;
mod committee;
mod compose;
mod driver;
mod next;
mod retry;
mod state;
mod step;
mod work;

pub use approve::{Approver, Question};
pub use committee::{Integration, Member, Method};
pub(crate) use compose::Source;
pub use compose::{Claim, Composition};
pub(crate) use driver::{Driver, Setting};
pub use next::Action;
pub(crate) use retry::RetryBudget;
pub use state::Run;
pub use step::{Approval, Candidate, Choice, Ended, Fault, FaultKind, HandedOff, Step};
pub use work::Work;

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
        Step::Assigned { plan, choices, .. } => {
            let given = choices.iter().map(|c| c.id).eq(plan.subtasks.iter().map(|s| s.id));
            offered(Action::Assign).or_else(|| (!given).then(|| "it gives away other subtasks than there are".into()))
        }
        Step::Counted { id, expert, .. } => (!run.uncounted().contains(&(*id, expert.clone())))
            .then(|| format!("{expert} is not to be called for {id}")),
        Step::Started { id, expert, task } => {
            let asked = run.work.get(id).map(|w| w.task()).filter(|asked| asked != task);
            offered(Action::Call { id: *id, expert: expert.clone() })
                .or_else(|| asked.map(|asked| format!("{expert} was asked `{task}` instead of `{asked}`")))
        }
        Step::Ended { id, expert, .. } => {
            let at_work = run.work.get(id).is_some_and(|w| w.at_work().any(|e| e.expert == *expert));
            (!at_work).then(|| format!("{expert} was not at work on {id}"))
        }
        Step::Integrated { id, .. } => offered(Action::Integrate(*id)),
        Step::Composed { .. } => offered(Action::Compose),
        Step::Replanned { id, .. } => offered(Action::Replan(*id)),
        Step::Asked { id } => offered(Action::Ask(*id)),
        Step::Answered { id, .. } => {
            (!run.paused().any(|w| w.subtask.id == *id)).then(|| format!("nobody was asked about {id}"))
        }
        Step::Stopped { .. } | Step::Resumed { .. } => None,
    }
}
