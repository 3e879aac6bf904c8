mod learn;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use qsef_core::{
    Budget, Cost, Error, Event, EventSink, ExpertCall, Input, Message, Outcome, Plan, Price, Result, Status, SubtaskId,
    Usage,
};
use tokio::sync::mpsc::unbounded_channel;
use tracing::Instrument;

use crate::{
    Assignment, Guard, Planned, Planner, Registry, RunReport, analyse,
    caller::Caller,
    complete::{Completer, type_outputs},
    ledger::{Ledger, Recorder},
    middleware::TranslateLayer,
    report::SubtaskReport,
    run::{Approval, Approver, Driver, Integration, Run, Setting, Step},
    translate::Translator,
};

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
    /// Has several experts do each subtask where several fit, and makes one output of theirs.
    pub committee: Option<Integration>,
    /// Has the planner's model write one text of the outputs, where several are short prose or values: each sentence names the
    /// subtasks that it comes from and is checked against them; what does not hold, and what is code, a table or long, stays as
    /// it is. It costs a call and holds the answer back until its end, so it is for requests whose parts belong together.
    pub compose: bool,
    /// Who is asked before an expert runs that needs a person's approval. Without one the run pauses there.
    pub approver: Option<Approver>,
    /// Where to report what happens.
    pub events: EventSink,
}

/// What [`Hub::stream`] gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunItem {
    /// Something happened.
    Event(Event),
    /// The run has ended; this is the last item.
    Report(Box<RunReport>),
}

/// The hub: planner and registry together.
#[derive(Clone)]
pub struct Hub {
    planner: Planner,
    planner_model: String,
    planner_price: Price,
    registry: Registry,
    completer: Completer,
    /// Where runs are recorded, or why they cannot be.
    ledger: Option<std::result::Result<Ledger, String>>,
    caller: Caller,
    /// What every run says in a warning.
    warnings: Vec<String>,
    /// Subtasks that were done since outcomes were last taken into account.
    unlearnt: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("planner", &self.planner_model).field("registry", &self.registry).finish()
    }
}

impl Hub {
    /// A hub that plans with `model` and chooses among the registry's experts.
    pub fn new(model: qsef_core::AnyModel, registry: Registry) -> Self {
        let info = model.info();
        let translator = Translator::new().model(model.clone()).embedder(registry.embedder().clone());
        let (planner_model, planner_price) = (info.name.clone(), info.price);
        let completer = Completer::new(Some(model.clone()));
        Self {
            planner: Planner::new(model),
            planner_model,
            planner_price,
            registry,
            completer,
            ledger: None,
            caller: Caller::new(translator),
            warnings: Vec::new(),
            unlearnt: Arc::default(),
        }
    }

    /// Completes plans in another way, or with what was learned elsewhere.
    pub fn with_completer(mut self, completer: Completer) -> Self {
        self.completer = completer;
        self
    }

    /// Translates hand-offs in another way than by the adapters, and the planner's model where these cannot.
    pub fn with_translator(mut self, translator: Translator) -> Self {
        self.caller.translation = TranslateLayer::new(translator);
        self
    }

    /// Lets a guard look at every call. Several are asked in the order in which they were added.
    pub fn with_guard(mut self, guard: impl Guard) -> Self {
        self.caller.guards.push(Arc::new(guard));
        self
    }

    /// Limits the calls of experts at the same time, over all runs of this hub and its clones; at least 1.
    pub fn with_max_calls(mut self, calls: usize) -> Self {
        self.caller.limit(calls);
        self
    }

    /// Has every run say this in a warning, such as that some experts could not be had.
    pub fn with_warning(mut self, message: impl Into<String>) -> Self {
        self.warnings.push(message.into());
        self
    }

    /// Has an expert do what a call says, outside of a run: under the hub's guards and within its limits, but nothing is planned,
    /// approved by a person, repeated or recorded.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no such expert; otherwise the expert's own and the guards'.
    pub async fn call(&self, expert: &str, call: ExpertCall) -> Result<Outcome> {
        let handle = self.registry.get(expert).cloned();
        let handle = handle.ok_or_else(|| Error::Input(format!("there is no expert `{expert}`")))?;
        self.caller.call(handle, call).await.0
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

    /// Plans a request, gives each subtask to an expert, and adds the steps that these need first, and says what each output is to be.
    ///
    /// # Errors
    /// As [`Planner::plan`], [`Registry::assign`] and [`Completer::complete`]; [`Error::Input`] where an expert can take nothing
    /// of what it is to use; [`Error::Budget`] where the steps that are needed would cost more than the budget.
    pub async fn plan(&self, request: &str, budget: &Budget) -> Result<(Planned, Vec<Assignment>)> {
        let planned = self.planner.plan(request).await?;
        self.assign(request, planned, budget).await
    }

    /// Gives each subtask of a plan to an expert, and adds the steps that these need first. What that took is added to
    /// what planning took.
    pub(crate) async fn assign(
        &self,
        request: &str,
        planned: Planned,
        budget: &Budget,
    ) -> Result<(Planned, Vec<Assignment>)> {
        let assignments = self.registry.assign(&planned.plan, budget).await?;
        let completed = self.completer.complete(request, planned, assignments, &self.registry).await?;
        let (mut planned, mut assignments) = completed;
        planned.repairs.extend(self.type_outputs(&mut planned.plan, &mut assignments)?);
        let expected: f64 = assignments.iter().map(|a| a.expected_usd).sum();
        if budget.usd.is_some_and(|usd| expected > usd) {
            return Err(Error::Budget(format!("the steps that the request needs are expected to cost ${expected:.4}")));
        }
        Ok((planned, assignments))
    }

    /// Says what the output of each subtask is to be; what had to be changed for that, in words.
    pub(crate) fn type_outputs(&self, plan: &mut Plan, assignments: &mut [Assignment]) -> Result<Vec<String>> {
        type_outputs(plan, assignments, &self.registry, self.caller.translation.translator())
    }

    /// Does a request. Dropping the future stops the work. A subtask that fails is reported in its place; so is a limit
    /// that ends the run early. With a ledger, each step is stored before the next: see [`Hub::resume`].
    ///
    /// # Errors
    /// As [`Hub::plan`], and [`Error::Budget`] when the deadline passes before there is a plan.
    pub async fn run(&self, request: &str, options: RunOptions) -> Result<RunReport> {
        let began = Instant::now();
        let trace_id = ulid::Ulid::generate().to_string();
        let events = options.events.clone();
        let ledger = self.ledger.as_ref().filter(|_| !options.plan_only);
        let names = (trace_id.as_str(), request, self.registry.embedder().name());
        let recorder = Recorder::begin(ledger, names, 0, &options.events);
        let deadline = options.budget.time.map(|t| began + t);
        let setting = Setting { deadline, approver: options.approver, events: options.events };
        let mut driver = Driver::new(self, Run::default(), setting, recorder);
        driver
            .step(Step::Begun {
                request: request.to_owned(),
                budget: options.budget,
                history: options.history,
                previous: options.previous,
                committee: options.committee,
                compose: options.compose.then_some(self.planner_price.typical()),
            })
            .await?;
        // Whoever hears of it can resume it.
        events.send(Event::Begun { trace_id: trace_id.clone() });
        self.warn(&events);
        self.drive(driver, trace_id, began, options.plan_only).await
    }

    /// Goes on with a run that was stored: one that a crash, a limit or a failure ended, or that waits for a person, whose
    /// answers are in `approvals`. What is done stays done; what was under way begins again, unless it changes something in
    /// the world, which then waits for a person. A budget of time begins anew, all others hold for the whole run; those that
    /// `options` sets replace the run's own.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no ledger or no such run, and for an answer to what was not asked; otherwise as
    /// [`Hub::run`].
    pub async fn resume(
        &self,
        trace_id: &str,
        approvals: BTreeMap<SubtaskId, Approval>,
        options: RunOptions,
    ) -> Result<RunReport> {
        let began = Instant::now();
        let run = self.stored(trace_id).await?;
        if run.steps == 0 {
            return Err(Error::Input(format!("the trace `{trace_id}` was made by a version that stored no steps")));
        }
        options.events.send(Event::Begun { trace_id: trace_id.to_owned() });
        self.warn(&options.events);
        let budget = options.budget.or(run.budget);
        let names = (trace_id, run.request.as_str(), self.registry.embedder().name());
        let recorder = Recorder::begin(self.ledger.as_ref(), names, run.steps, &options.events);
        let deadline = budget.time.map(|t| began + t);
        let setting = Setting { deadline, approver: options.approver, events: options.events };
        let mut driver = Driver::new(self, run, setting, recorder);
        driver.step(Step::Resumed { budget }).await?;
        for (id, approval) in approvals {
            if !driver.run.paused().any(|work| work.subtask.id == id) {
                return Err(Error::Input(format!(
                    "subtask {id} of the trace `{trace_id}` does not wait for an answer"
                )));
            }
            driver.step(Step::Answered { id, approval }).await?;
        }
        self.drive(driver, trace_id.to_owned(), began, false).await
    }

    async fn drive(
        &self,
        mut driver: Driver<'_>,
        trace_id: String,
        began: Instant,
        plan_only: bool,
    ) -> Result<RunReport> {
        // The names of OpenTelemetry's conventions for generative AI.
        let span = tracing::info_span!(
            "invoke_agent",
            "gen_ai.operation.name" = "invoke_agent",
            "gen_ai.agent.name" = "qsef",
            "gen_ai.conversation.id" = trace_id,
            "gen_ai.usage.input_tokens" = tracing::field::Empty,
            "gen_ai.usage.output_tokens" = tracing::field::Empty,
        );
        let (run, answer) = async {
            let deadline = driver.deadline();
            let planning = async {
                driver.plan().await?;
                driver.assign().await
            };
            match deadline {
                None => planning.await?,
                Some(deadline) => tokio::time::timeout_at(deadline.into(), planning)
                    .await
                    .map_err(|_| Error::Budget("the deadline passed before there was a plan".into()))??,
            }
            if !plan_only {
                driver.drive().await?;
            }
            Ok::<_, Error>(driver.end().await)
        }
        .instrument(span.clone())
        .await?;
        let spent = run.spent();
        span.record("gen_ai.usage.input_tokens", spent.usage.prompt_tokens);
        span.record("gen_ai.usage.output_tokens", spent.usage.completion_tokens);
        if !plan_only {
            self.count(run.work.len());
        }
        let paused = run.paused().next().is_some();
        let mut subtasks: Vec<SubtaskReport> = run.work.values().map(SubtaskReport::of).collect();
        // What waits for something that failed will never run; what waits for a person may.
        for report in subtasks.iter_mut().filter(|r| r.status == Status::Pending && !plan_only && !paused) {
            report.status = Status::Skipped;
        }
        Ok(RunReport {
            trace_id,
            answer,
            analysis: analyse(&run.request),
            subtasks,
            usage: spent.usage,
            by_model: run.by_model(),
            cost_usd: spent.usd,
            elapsed: began.elapsed(),
            planning: Duration::from_millis(run.planning_ms),
            paused,
            claims: run.composition.map(|c| c.claims).unwrap_or_default(),
            request: run.request,
            repairs: run.repairs,
            exhausted: run.stopped,
        })
    }

    /// Does a request as [`Hub::run`] does, and gives what happens as it happens, then the report. Dropping the stream stops
    /// the work.
    pub fn stream<'a>(
        &'a self,
        request: &'a str,
        mut options: RunOptions,
    ) -> impl Stream<Item = Result<RunItem>> + Send + 'a {
        let (sender, mut items) = unbounded_channel();
        let (also, tells) = (std::mem::take(&mut options.events), sender.clone());
        options.events = EventSink::new(move |event| {
            also.send(event.clone());
            // Whoever does not listen any more has dropped the run, too.
            let _ = tells.send(Ok(RunItem::Event(event)));
        });
        let run = async move {
            let report = self.run(request, options).await;
            let _ = sender.send(report.map(|report| RunItem::Report(Box::new(report))));
        };
        let items = futures::stream::poll_fn(move |context| items.poll_recv(context));
        futures::stream::select(items, futures::stream::once(run).filter_map(|()| std::future::ready(None)))
    }

    /// A run as its stored steps make it.
    pub(crate) async fn stored(&self, trace_id: &str) -> Result<Run> {
        let (ledger, id) = (self.ledger()?.clone(), trace_id.to_owned());
        let stored = tokio::task::spawn_blocking(move || ledger.steps_of(&id)).await;
        let stored = stored.map_err(|e| Error::Internal(e.to_string()))??;
        crate::run::replay(stored.into_iter().map(|(_, step)| step))
    }

    fn warn(&self, events: &EventSink) {
        self.warnings.iter().for_each(|message| events.send(Event::Warning { message: message.clone() }));
    }

    pub(crate) fn planner(&self) -> &Planner {
        &self.planner
    }

    pub(crate) fn planner_model(&self) -> &str {
        &self.planner_model
    }

    /// What the planner's model costs for these tokens, and its name where it was called.
    pub(crate) fn bill(&self, usage: Usage) -> (Cost, Option<String>) {
        let called = usage.prompt_tokens > 0;
        (Cost::of(usage, self.planner_price), called.then(|| self.planner_model.clone()))
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}
