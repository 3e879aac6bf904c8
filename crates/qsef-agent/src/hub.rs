use std::time::Instant;

use qsef_core::{Budget, Cost, Error, Event, EventSink, Input, Message, Plan, Result};

use crate::{
    Assignment, Planned, Planner, Registry, RunReport,
    complete::{Completer, Past},
    executor::{self, Execution, Setting},
    ledger::{HistoryQuery, Ledger, Recorder},
    report::SubtaskReport,
};

/// Outcomes of the ledger that are taken into account, the newest ones.
const RECALLED: usize = 2000;

/// Requests of the ledger from which it is learned who comes after whom, the newest ones. Each costs an embedding at the start.
const RECALLED_REQUESTS: usize = 200;

/// How a run is to be made.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// The most it may spend.
    pub budget: Budget,
    /// Plan and assign, but run nothing.
    pub plan_only: bool,
    /// The conversation before the request, oldest first. Experts that are models see it.
    pub history: Vec<Message>,
    /// The result before the request, for a subtask that refers to it with a word like "it".
    pub previous: Option<Input>,
    /// Where to report what happens.
    pub events: EventSink,
}

/// The hub: planner and registry together.
#[derive(Debug, Clone)]
pub struct Hub {
    planner: Planner,
    planner_model: String,
    planner_usd_per_mtok: f64,
    registry: Registry,
    completer: Completer,
    /// Where runs are recorded, or why they cannot be.
    ledger: Option<std::result::Result<Ledger, String>>,
}

impl Hub {
    /// A hub that plans with `model` and chooses among the registry's experts.
    pub fn new(model: qsef_core::AnyModel, registry: Registry) -> Self {
        let info = model.info();
        let (planner_model, planner_usd_per_mtok) = (info.name.clone(), info.usd_per_mtok);
        let completer = Completer::new(Some(model.clone()));
        Self { planner: Planner::new(model), planner_model, planner_usd_per_mtok, registry, completer, ledger: None }
    }

    /// Completes plans in another way, or with what was learned elsewhere.
    pub fn with_completer(mut self, completer: Completer) -> Self {
        self.completer = completer;
        self
    }

    /// What completes plans.
    pub fn completer(&self) -> &Completer {
        &self.completer
    }

    /// Records every run in a ledger: what was decided, and how it turned out. A ledger that could not be opened, or that
    /// cannot be written later, stops no run: each says so in a warning.
    pub fn with_ledger(mut self, ledger: Result<Ledger>) -> Self {
        self.ledger = Some(ledger.map_err(|e| e.to_string()));
        self
    }

    /// Reads from the ledger how experts did, so that the next choice among them takes it into account. A ledger that cannot be
    /// read changes nothing: runs say so.
    pub async fn recall(&mut self) {
        let Some(Ok(ledger)) = self.ledger.clone() else { return };
        let mut query = HistoryQuery::new(self.registry.embedder().name());
        query.limit = RECALLED;
        let read = move || Ok::<_, Error>((ledger.history(&query)?, ledger.requests(RECALLED_REQUESTS)?));
        let Ok(Ok((rows, requests))) = tokio::task::spawn_blocking(read).await else { return };
        self.registry.remember(&rows);
        let types = self.registry.types();
        if types.kinds().is_empty() {
            return;
        }
        // The ledger keeps the order of the subtasks, not who fed whom: the types tell that.
        let feeds =
            |a: &str, b: &str| types.place(a).zip(types.place(b)).is_some_and(|(a, b)| types.link(a, b).is_some());
        let past = requests.into_iter().map(|(request, experts)| {
            let pairs = experts.iter().zip(experts.iter().skip(1)).filter(|(a, b)| feeds(a, b));
            Past { request, edges: pairs.map(|(a, b)| (a.clone(), b.clone())).collect(), experts }
        });
        let past = past.collect();
        if let Err(error) = self.completer.learn(&self.registry, past).await {
            tracing::warn!(%error, "what the ledger tells of earlier plans cannot be used");
        }
    }

    /// Where runs are recorded.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no ledger, with the reason.
    pub fn ledger(&self) -> Result<&Ledger> {
        match &self.ledger {
            Some(Ok(ledger)) => Ok(ledger),
            Some(Err(why)) => Err(Error::Input(format!("nothing is recorded: {why}"))),
            None => Err(Error::Input("nothing is recorded: the hub has no ledger".into())),
        }
    }

    /// The experts.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The experts, to add more.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Plans a request, gives each subtask to an expert, and adds the steps that these need first.
    ///
    /// # Errors
    /// As [`Planner::plan`], [`Registry::assign`] and [`Completer::complete`]; [`Error::Budget`] where the steps that are needed
    /// would cost more than the budget.
    pub async fn plan(&self, request: &str, budget: &Budget) -> Result<(Planned, Vec<Assignment>)> {
        let planned = self.planner.plan(request).await?;
        let assignments = self.registry.assign(&planned.plan, budget).await?;
        let (planned, assignments) = self.completer.complete(request, planned, assignments, &self.registry).await?;
        let expected: f64 = assignments.iter().map(|a| a.expected_usd).sum();
        if budget.usd.is_some_and(|usd| expected > usd) {
            return Err(Error::Budget(format!("the steps that the request needs are expected to cost ${expected:.4}")));
        }
        Ok((planned, assignments))
    }

    /// Does a request. Dropping the future stops the work. A subtask that fails is reported in its place; so is a limit
    /// that ends the run early.
    ///
    /// # Errors
    /// As [`Hub::plan`], and [`Error::Budget`] when the deadline passes before there is a plan.
    pub async fn run(&self, request: &str, options: RunOptions) -> Result<RunReport> {
        let began = Instant::now();
        let trace_id = ulid::Ulid::generate().to_string();
        let deadline = options.budget.time.map(|t| began + t);
        let planning = self.plan(request, &options.budget);
        let (planned, assignments) = match deadline {
            None => planning.await?,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), planning)
                .await
                .map_err(|_| Error::Budget("the deadline passed before there was a plan".into()))??,
        };
        let took = began.elapsed();
        announce(&planned.plan, &assignments, &planned.repairs, &options.events);
        let execution = if options.plan_only {
            let pairs = planned.plan.subtasks.iter().zip(&assignments);
            let subtasks = pairs.map(|(s, a)| SubtaskReport::new(s, a)).collect();
            Execution { subtasks, answer: String::new(), exhausted: None }
        } else {
            let run = (trace_id.as_str(), request, self.registry.embedder().name());
            let recorder = Recorder::begin(self.ledger.as_ref(), run, &assignments, &options.events);
            let setting = Setting {
                deadline,
                usd: options.budget.usd,
                history: options.history,
                previous: options.previous,
                background: planned.background(),
                events: options.events,
                recorder,
            };
            let execution = executor::execute(&planned.plan, &self.registry, &assignments, &setting).await;
            setting.recorder.end().await;
            execution
        };
        Ok(self.report(trace_id, request, planned, execution, began, took))
    }

    fn report(
        &self,
        trace_id: String,
        request: &str,
        planned: Planned,
        execution: Execution,
        began: Instant,
        planning: std::time::Duration,
    ) -> RunReport {
        let subtasks = execution.subtasks;
        let mut total = Cost::of(planned.usage, self.planner_usd_per_mtok);
        let mut by_model = std::collections::BTreeMap::new();
        if planned.usage.prompt_tokens > 0 {
            by_model.insert(self.planner_model.clone(), planned.usage);
        }
        for subtask in &subtasks {
            total += subtask.cost;
            if let Some(model) = &subtask.model {
                *by_model.entry(model.clone()).or_default() += subtask.cost.usage;
            }
        }
        RunReport {
            trace_id,
            request: request.to_owned(),
            answer: execution.answer,
            analysis: planned.analysis,
            subtasks,
            repairs: planned.repairs,
            usage: total.usage,
            by_model,
            cost_usd: total.usd,
            elapsed: began.elapsed(),
            planning,
            exhausted: execution.exhausted,
        }
    }
}

fn announce(plan: &Plan, assignments: &[Assignment], repairs: &[String], events: &EventSink) {
    events.send(Event::Planned { plan: plan.clone(), repairs: repairs.to_vec() });
    for a in assignments {
        events.send(Event::Assigned { id: a.id, expert: a.expert.clone(), te: a.te, why: a.why.clone() });
    }
}
