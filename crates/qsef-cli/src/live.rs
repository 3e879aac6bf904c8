//! A run as it happens: the plan as a tree that follows the work on stderr, the answer on stdout.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use qsef::{Error, Event, EventSink, Result, Subtask, SubtaskId, run::Approver};

use crate::{
    approve, models,
    screen::{self, BOLD, CYAN, DIM, GREEN, RED, harmless, note, styled, warning},
};

/// The lines that move while a run is under way, one per subtask; on a terminal only.
#[derive(Default)]
struct Tree {
    planning: Option<ProgressBar>,
    rows: Vec<Row>,
    /// Whether the lines have come to rest: the answer begins below them then.
    rests: bool,
    /// Whether the answer has begun, and what ends up in the middle of it has to wait.
    answering: bool,
    failures: Vec<String>,
    /// The run, once it has begun.
    trace_id: Option<String>,
}

struct Row {
    subtask: Subtask,
    expert: String,
    state: State,
    bar: Option<ProgressBar>,
}

enum State {
    Waiting,
    Running,
    /// Per cent of a long input that are read.
    Reading(u64),
    Done(u64),
    Paused,
    Failed,
}

/// A run's screen. Dropping it puts the moving lines to rest.
pub struct Live {
    tree: Arc<Mutex<Tree>>,
    answer: bool,
}

impl Live {
    /// Shows that a run has begun. With `answer`, the answer is streamed to stdout.
    pub fn begin(answer: bool) -> Self {
        let planning = screen::spinner("planning");
        let tree = Tree { planning: Some(planning), ..Tree::default() };
        Self { tree: Arc::new(Mutex::new(tree)), answer }
    }

    /// Asks the person at the terminal, where there is one; the moving lines come to rest before that.
    pub fn approver(&self) -> Option<Approver> {
        let tree = self.tree.clone();
        approve::at_terminal(move || tree.lock().unwrap_or_else(PoisonError::into_inner).rest())
    }

    /// Waits for a run that Ctrl-C ends, and then says how to go on with it.
    pub async fn or_cancelled<T>(&self, run: impl Future<Output = Result<T>>) -> Result<T> {
        let ended = models::or_cancelled(run).await;
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Err(Error::Cancelled), Some(trace)) = (&ended, tree.trace_id.take()) {
            tree.failures.push(format!("`qsef trace resume {trace}` goes on with it; what is done stays done"));
        }
        ended
    }

    /// Where the run's events go.
    pub fn sink(&self) -> EventSink {
        let (tree, answer) = (self.tree.clone(), self.answer);
        EventSink::new(move |event| tree.lock().unwrap_or_else(PoisonError::into_inner).take(event, answer))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        tree.rest();
        if tree.answering {
            screen::print("\n");
        }
        tree.failures.drain(..).for_each(note);
    }
}

impl Tree {
    fn take(&mut self, event: Event, answer: bool) {
        match event {
            Event::Begun { trace_id } => self.trace_id = Some(trace_id),
            Event::Planned { plan, .. } => {
                self.end_planning();
                let row = |subtask| Row { subtask, expert: String::new(), state: State::Waiting, bar: None };
                self.rows = plan.subtasks.into_iter().map(row).collect();
            }
            Event::Assigned { id, expert, te, why } => {
                let unfit =
                    if why.starts_with("no expert fits") { format!("  {}", styled(DIM, why)) } else { String::new() };
                let Some(row) = self.row(id) else { return };
                row.expert = format!("{}{unfit}", styled(CYAN, format!("{expert}  TE {te:.2}")));
                row.show();
            }
            Event::Started { id } => self.change(id, State::Running),
            Event::Paused { id } => self.change(id, State::Paused),
            Event::Reading { id, done, total } => self.change(id, State::Reading(100 * done / total.max(1))),
            Event::Finished { id, elapsed_ms, .. } => self.change(id, State::Done(elapsed_ms)),
            Event::Failed { id, message } => {
                self.change(id, State::Failed);
                self.failures.push(format!("{} {id}: {}", styled(RED, "✗"), harmless(&message)));
            }
            Event::Warning { message } if self.answering => {
                self.failures.push(screen::warning_line(harmless(&message)));
            }
            Event::Warning { message } => warning(harmless(&message)),
            Event::Answer { text } if answer => {
                self.rest();
                self.answering = true;
                screen::print(&harmless(&text));
            }
            _ => {}
        }
    }

    fn row(&mut self, id: SubtaskId) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.subtask.id == id)
    }

    fn change(&mut self, id: SubtaskId, state: State) {
        let rests = self.rests;
        let Some(row) = self.row(id) else { return };
        row.state = state;
        if !rests {
            row.show();
        }
    }

    fn end_planning(&mut self) {
        if let Some(bar) = self.planning.take() {
            screen::remove(&bar);
        }
    }

    /// Replaces the moving lines by lines that stay.
    fn rest(&mut self) {
        self.end_planning();
        if std::mem::replace(&mut self.rests, true) {
            return;
        }
        for row in &mut self.rows {
            if let Some(bar) = row.bar.take() {
                screen::remove(&bar);
            }
        }
        for row in &self.rows {
            note(row.line());
        }
        if !self.rows.is_empty() {
            note("");
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let mark = match self.state {
            State::Waiting => styled(DIM, "·"),
            State::Running | State::Reading(_) => styled(CYAN, "▸"),
            State::Done(_) => styled(GREEN, "✓"),
            State::Paused => styled(CYAN, "‖"),
            State::Failed => styled(RED, "✗"),
        };
        let uses: Vec<String> = self.subtask.uses.iter().map(ToString::to_string).collect();
        let uses = if uses.is_empty() { String::new() } else { styled(DIM, format!("  uses {}", uses.join(", "))) };
        let took = match self.state {
            State::Reading(share) => styled(DIM, format!("  reading, {share} %")),
            State::Done(ms) => styled(DIM, format!("  {:.1} s", ms as f64 / 1000.0)),
            State::Paused => styled(DIM, "  waits for your approval"),
            _ => String::new(),
        };
        let number = styled(BOLD, format!("{}.", self.subtask.id));
        // Line breaks would tear the tree.
        let task: String = harmless(&self.subtask.task).replace(['\n', '\t'], " ").chars().take(120).collect();
        format!("{mark} {number} {task}{uses}\n    → {}{took}", self.expert)
    }

    fn show(&mut self) {
        let line = self.line();
        let bar = self.bar.get_or_insert_with(|| {
            let bar = screen::add(ProgressBar::new_spinner().with_style(plain()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.set_message(screen::for_stderr(line));
    }
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}
