use qsef_core::{Status, SubtaskId};

use super::{
    state::{MAX_REPLANS, Run},
    step::{Approval, tokens},
    work::Work,
};

/// Something that a run needs done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Split the request.
    Plan,
    /// Give every subtask to an expert.
    Assign,
    /// Call an expert for a subtask.
    Call {
        /// The subtask.
        id: SubtaskId,
        /// The expert.
        expert: String,
    },
    /// Make one output of what the members of a committee made.
    Integrate(SubtaskId),
    /// Ask a person about a subtask.
    Ask(SubtaskId),
    /// Split a subtask that nobody can do.
    Replan(SubtaskId),
    /// Write the outputs as one text.
    Compose,
    /// Stop: the money, the tokens or the calls that are left do not pay what is ready to run.
    Stop(String),
}

impl Run {
    /// All that can be done now, in the plan's order. Nothing where the run waits for what is under way or for a person,
    /// and where it has ended.
    pub fn next(&self) -> Vec<Action> {
        if self.stopped.is_some() {
            return Vec::new();
        }
        if self.plan.is_none() {
            return vec![Action::Plan];
        }
        if self.work.is_empty() {
            return if self.plan.as_ref().is_some_and(|p| !p.subtasks.is_empty()) {
                vec![Action::Assign]
            } else {
                Vec::new()
            };
        }
        let mut left = Left::of(self);
        if self.is_to_compose() {
            // What is not paid for is joined as it is.
            let (usd, tokens) = self.composing_takes();
            return left.pay(usd, tokens).map(|()| Action::Compose).into_iter().collect();
        }
        let stuck = self.work.values().filter(|w| w.stuck && self.replans < MAX_REPLANS);
        let mut actions: Vec<Action> =
            stuck.filter(|_| left.pay(0.0, 0).is_ok()).map(|w| Action::Replan(w.subtask.id)).collect();
        let mut refused = None;
        for work in self.work.values() {
            if !work.members.is_empty() {
                refused = self.consult(work, &mut left, &mut actions).or(refused);
                continue;
            }
            if work.status != Status::Pending || !self.is_ready(work) {
                continue;
            }
            let id = work.subtask.id;
            let Some(expert) = work.expert() else { continue };
            if expert.requires_approval && !matches!(work.approval, Some(Approval::Approve | Approval::Edit(_))) {
                actions.push(Action::Ask(id));
                continue;
            }
            let (usd, tokens) = expert.takes();
            match left.pay(usd, tokens) {
                Ok(()) => actions.push(Action::Call { id, expert: expert.expert.clone() }),
                Err(limit) => refused = Some(format!("{limit}: {} is not paid for", expert.expert)),
            }
        }
        match refused {
            // What is under way may leave more than it was taken to need.
            Some(limit) if actions.is_empty() && !self.is_under_way() => vec![Action::Stop(limit)],
            _ => actions,
        }
    }

    /// The calls that are ready whose prompts are not counted yet, where a budget of money or tokens is to be kept.
    pub fn uncounted(&self) -> Vec<(SubtaskId, String)> {
        if self.stopped.is_some() || (self.budget.usd.is_none() && self.budget.tokens.is_none()) {
            return Vec::new();
        }
        let ready = self.work.values().filter(|work| self.is_ready(work));
        let calls = ready.flat_map(|work| work.waiting().map(|c| (work.subtask.id, c)));
        calls.filter(|(_, c)| c.prompt_tokens.is_none()).map(|(id, c)| (id, c.expert.clone())).collect()
    }

    /// What a committee's members are to do; what there is too little of for some of them. What some made is enough where
    /// the others are not paid for.
    fn consult(&self, work: &Work, left: &mut Left, actions: &mut Vec<Action>) -> Option<String> {
        let open = matches!(work.status, Status::Pending | Status::Running) && work.replaced_by.is_none();
        if !open || !self.is_ready(work) {
            return None;
        }
        let id = work.subtask.id;
        let before = actions.len();
        let mut refused = None;
        for member in work.members.iter().filter(|m| m.status == Status::Pending) {
            let expert = &member.candidate.expert;
            let (usd, tokens) = member.candidate.takes();
            match left.pay(usd, tokens) {
                Ok(()) => actions.push(Action::Call { id, expert: expert.clone() }),
                Err(limit) => refused = Some(format!("{limit}: {expert} is not paid for")),
            }
        }
        let waits = actions.len() > before || work.is_under_way();
        if !waits && work.members.iter().any(|m| m.status == Status::Done) {
            actions.push(Action::Integrate(id));
            return None;
        }
        refused
    }

    /// Whether an expert is at work.
    pub fn is_under_way(&self) -> bool {
        self.work.values().any(Work::is_under_way)
    }

    fn status(&self, id: SubtaskId) -> Option<Status> {
        self.work.get(&id).map(|w| w.status)
    }

    /// Whether a subtask's inputs are there, and whether it is its turn where it changes something.
    fn is_ready(&self, work: &Work) -> bool {
        let external = |w: &Work| w.expert().is_some_and(|e| e.external);
        work.subtask.after.iter().all(|before| {
            if work.subtask.uses.contains(before) {
                return self.status(*before) == Some(Status::Done);
            }
            // Order matters only to what changes something; a failure before it does not stop what needs no output.
            let acts = external(work) || self.work.get(before).is_some_and(external);
            !acts || self.work.get(before).is_some_and(Work::has_ended)
        })
    }
}

/// What a run may still spend.
struct Left {
    usd: f64,
    tokens: u64,
    calls: u64,
}

impl Left {
    /// What is left after what was spent, and what calls under way may take.
    fn of(run: &Run) -> Self {
        let spent = run.spent();
        let mut left = Self {
            usd: run.budget.usd.map_or(f64::INFINITY, |limit| limit - spent.usd),
            tokens: run.budget.tokens.map_or(u64::MAX, |limit| limit.saturating_sub(tokens(spent.usage))),
            calls: run.budget.calls.map_or(u64::MAX, |limit| limit.saturating_sub(run.calls)),
        };
        for expert in run.work.values().flat_map(Work::at_work) {
            let (usd, tokens) = expert.takes();
            left.usd -= usd;
            left.tokens = left.tokens.saturating_sub(tokens);
        }
        left
    }

    /// Sets aside what a call may take, or says what there is too little of.
    fn pay(&mut self, usd: f64, tokens: u64) -> Result<(), String> {
        // A sum of prices is not exact.
        if usd > self.usd + 1e-12 {
            return Err(format!("{:.6} US dollars are left and {usd:.6} may be needed", self.usd.max(0.0)));
        }
        if tokens > self.tokens {
            return Err(format!("{} tokens are left and {tokens} may be needed", self.tokens));
        }
        if self.calls == 0 {
            return Err("no calls are left".into());
        }
        self.usd -= usd;
        self.tokens -= tokens;
        self.calls -= 1;
        Ok(())
    }
}
