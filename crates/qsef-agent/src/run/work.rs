use qsef_core::{Cost, Payload, Status, Subtask, SubtaskId};
use qsef_score::Score;
use serde::Serialize;

use super::{
    committee::Member,
    step::{Approval, Candidate, Choice, Ended, Fault, FaultKind, HandedOff},
};

/// A subtask with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Work {
    /// The subtask.
    pub subtask: Subtask,
    /// Who may do it: the first of those that are left has it.
    pub candidates: Vec<Candidate>,
    /// Why the expert has it, in a line.
    pub why: String,
    /// The best scores, best first.
    pub scores: Vec<Score>,
    /// Where it stands.
    pub status: Status,
    /// Calls of its present expert.
    pub attempts: u32,
    /// Milliseconds to wait before the next call.
    pub wait_ms: u64,
    /// What its calls cost, those that failed included.
    pub cost: Cost,
    /// How long its calls took, in milliseconds.
    pub elapsed_ms: u64,
    /// The model that was called, where one was.
    pub model: Option<String>,
    /// What it made.
    pub output: Option<Payload>,
    /// Why it failed.
    pub error: Option<String>,
    /// How what it was handed was made into what its experts take.
    pub hand_offs: Vec<HandedOff>,
    /// What a person said of its present expert's doing it.
    pub approval: Option<Approval>,
    /// Who does it together, where it is more than one: then none of the candidates has it.
    pub members: Vec<Member>,
    /// The share of the members' weight that agrees with the output, in [0, 1], where they did it together.
    pub agreement: Option<f64>,
    /// Whether its last call, which failed, did nothing in the world.
    pub untouched: bool,
    /// Whether it is in need of other subtasks instead of an expert.
    pub stuck: bool,
    /// The subtask that makes its output, where it was split.
    pub replaced_by: Option<SubtaskId>,
}

impl Work {
    pub(super) fn new(subtask: Subtask, choice: Choice) -> Self {
        Self {
            subtask,
            candidates: choice.candidates,
            why: choice.why,
            scores: choice.scores,
            status: Status::Pending,
            attempts: 0,
            wait_ms: 0,
            cost: Cost::default(),
            elapsed_ms: 0,
            model: None,
            output: None,
            error: None,
            hand_offs: Vec::new(),
            approval: None,
            members: choice.committee.into_iter().map(Member::new).collect(),
            agreement: None,
            untouched: false,
            stuck: false,
            replaced_by: None,
        }
    }

    /// Who has it; the last one who had it where nobody is left.
    pub fn expert(&self) -> Option<&Candidate> {
        self.candidates.first()
    }

    /// What the expert is to do: the subtask in the user's words, or what a person put in their place.
    pub fn task(&self) -> &str {
        match &self.approval {
            Some(Approval::Edit(task)) => task,
            _ => &self.subtask.task,
        }
    }

    /// Whether nothing more comes of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Done | Status::Failed | Status::Skipped)
    }

    /// Whether an expert is at work on it.
    pub fn is_under_way(&self) -> bool {
        self.at_work().next().is_some()
    }

    /// The experts that are at work on it.
    pub fn at_work(&self) -> impl Iterator<Item = &Candidate> {
        let alone = self.expert().filter(|_| self.members.is_empty() && self.replaced_by.is_none());
        let alone = alone.filter(|_| self.status == Status::Running);
        alone.into_iter().chain(self.members.iter().filter(|m| m.status == Status::Running).map(|m| &m.candidate))
    }

    /// The experts that are to be called for it.
    pub fn waiting(&self) -> impl Iterator<Item = &Candidate> {
        let alone = self.expert().filter(|_| self.members.is_empty() && self.status == Status::Pending);
        alone.into_iter().chain(self.members.iter().filter(|m| m.status == Status::Pending).map(|m| &m.candidate))
    }

    pub(super) fn waiting_mut(&mut self) -> impl Iterator<Item = &mut Candidate> {
        let alone = self.members.is_empty() && self.status == Status::Pending;
        let members = self.members.iter_mut().filter(|m| m.status == Status::Pending).map(|m| &mut m.candidate);
        self.candidates.first_mut().filter(|_| alone).into_iter().chain(members)
    }

    /// Whether an expert has it, alone or with others.
    pub fn has(&self, expert: &str) -> bool {
        match self.members.is_empty() {
            true => self.expert().is_some_and(|e| e.expert == expert),
            false => self.member(expert).is_some(),
        }
    }

    /// The committee's member of this name.
    pub fn member(&self, expert: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.candidate.expert == expert)
    }

    pub(super) fn member_mut(&mut self, expert: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|m| m.candidate.expert == expert)
    }

    /// A member's call ended. Where all have failed, whoever is not of the committee takes over.
    pub(super) fn member_ended(&mut self, expert: &str, elapsed_ms: u64, result: Ended) {
        // They work at the same time.
        self.elapsed_ms = self.elapsed_ms.max(elapsed_ms);
        let Some(member) = self.member_mut(expert) else { return };
        let message = member.end(result);
        self.cost = self.members.iter().map(|m| m.cost).sum();
        if self.members.iter().all(|m| m.status == Status::Failed) {
            let message = message.unwrap_or_else(|| "the committee failed".into());
            let members = std::mem::take(&mut self.members);
            self.candidates.retain(|c| !members.iter().any(|m| m.candidate.expert == c.expert));
            (self.attempts, self.wait_ms, self.status) = (0, 0, Status::Pending);
            self.why = format!("all of the committee failed: {message}");
            if self.candidates.is_empty() {
                self.candidates.extend(members.into_iter().next().map(|m| m.candidate));
                self.fail(message);
                self.stuck = true;
            }
        }
    }

    /// Whether it may have changed something in the world although there is no output: its expert was called, and neither
    /// finished nor said that it did nothing.
    pub(super) fn may_have_happened(&self) -> bool {
        let is_open = self.status == Status::Running || (self.status == Status::Failed && !self.untouched);
        self.attempts > 0 && is_open && self.expert().is_some_and(|e| e.external)
    }

    /// Leaves it to a person whether it is done again.
    pub(super) fn doubt(&mut self) {
        self.why = "it was interrupted and may have happened: say whether to do it again".into();
        self.approval = None;
        self.status = Status::Paused;
    }

    pub(super) fn fail(&mut self, message: String) {
        self.status = Status::Failed;
        self.error = Some(message);
    }

    /// Gives it to the next candidate; false where there is none.
    fn hand_over(&mut self, message: &str) -> bool {
        if self.candidates.len() < 2 {
            return false;
        }
        let before = self.candidates.remove(0);
        self.why = format!("{}: {message}", before.expert);
        self.attempts = 0;
        self.wait_ms = 0;
        self.approval = None;
        self.status = Status::Pending;
        true
    }

    pub(super) fn end(&mut self, elapsed_ms: u64, result: Ended) {
        self.elapsed_ms = self.elapsed_ms.saturating_add(elapsed_ms);
        match result {
            Ended::Done(outcome) => {
                self.cost += outcome.cost;
                self.model = outcome.model.or(self.model.take());
                self.output = Some(outcome.payload);
                self.status = Status::Done;
                self.error = None;
            }
            Ended::Failed(fault) => self.failed(fault),
        }
    }

    fn failed(&mut self, Fault { kind, message, retry_ms }: Fault) {
        // Whether what changes the world happened is not known: it is not done twice.
        self.untouched = matches!(kind, FaultKind::Declined | FaultKind::Vetoed);
        let once = self.expert().is_some_and(|e| e.external) && !self.untouched;
        match retry_ms {
            Some(wait_ms) if !once => {
                self.status = Status::Pending;
                self.wait_ms = wait_ms;
            }
            _ if once || kind == FaultKind::Vetoed => self.fail(message),
            _ if self.hand_over(&message) => {}
            _ => {
                self.fail(message);
                self.stuck = true;
            }
        }
    }
}
