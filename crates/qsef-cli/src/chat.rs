//! The session: a line editor, a hub, and the conversation so far.

use std::{io::IsTerminal, path::Path, time::Duration};

use qsef::{Budget, Error, Hub, Input, Message, Result, RunOptions, RunReport, Status};
use rustyline::{DefaultEditor, error::ReadlineError};

use crate::{
    End,
    args::Common,
    ask,
    live::Live,
    models,
    screen::{self, BOLD, DIM, note, styled},
    trace,
};

const HELP: &str = "\
/plan          the last plan with its experts
/why           why each subtask went to its expert
/cost          tokens, money and time of the session
/experts       the experts
/budget        the limits of each request: /budget 0.01 (US dollars), /budget 30s, /budget off
/rate          say how good the last answer was, 0 to 1: /rate 0.8, /rate good, /rate bad 2 (its subtask 2)
/save FILE     write the conversation as Markdown
/quit          leave (also Ctrl-D)
Ctrl-C cancels a run. The experts see the conversation; \"it\" or \"the result\" means the last result.";

#[derive(Default)]
struct Session {
    turns: Vec<RunReport>,
    budget: Budget,
}

pub async fn run(args: Common) -> Result<End> {
    let mut distilled = qsef::DistilledFolder::before_opening(qsef::home()?.join("experts"));
    let mut hub = models::open(&args).await?;
    let mut editor = DefaultEditor::new().map_err(broken)?;
    let history = qsef::home()?.join("chat_history");
    // Lines of a script are not what a person wants to see again.
    let keeps_history = std::io::stdin().is_terminal();
    if keeps_history {
        if let Some(dir) = history.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
        }
        // There is no history before the first session.
        let _ = editor.load_history(&history);
    }
    note(styled(DIM, "Ask something, or /help. Ctrl-C cancels a run, Ctrl-D leaves."));
    let mut session = Session::default();
    loop {
        let read = tokio::task::block_in_place(|| editor.readline("› "));
        let line = match read {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                note(styled(DIM, "Ctrl-D leaves"));
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(broken(e)),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if keeps_history {
            remember(&mut editor, line, &history);
        }
        // Experts that were exported since the last request.
        for warning in distilled.refresh(hub.registry_mut()).await? {
            screen::warning(screen::harmless(&warning));
        }
        match line.strip_prefix('/') {
            Some("quit" | "exit" | "q") => break,
            Some(command) => session.command(command, &hub),
            None => session.ask(line, &hub).await,
        }
        // The next choice among experts knows how this one turned out.
        hub.recall().await;
    }
    Ok(End::Done)
}

/// Keeps a line at once: a session that is killed loses none.
fn remember(editor: &mut DefaultEditor, line: &str, history: &Path) {
    let kept = editor.add_history_entry(line).and_then(|new| if new { editor.append_history(history) } else { Ok(()) });
    if let Err(e) = kept {
        screen::warning(format!("the history is not kept in {}: {e}", history.display()));
    }
}

/// Records what a person says of an answer; what was recorded, in a line.
fn rate(hub: &Hub, trace_id: &str, argument: &str) -> Result<String> {
    let (score, subtask) = trace::rating(argument)?;
    tokio::task::block_in_place(|| trace::rate(hub.ledger()?, trace_id, subtask, score, None))
}

fn broken(error: ReadlineError) -> Error {
    Error::Internal(format!("the terminal cannot be read: {error}"))
}

impl Session {
    async fn ask(&mut self, request: &str, hub: &Hub) {
        let mut options = RunOptions::default();
        options.budget = self.budget;
        options.history = self.history();
        options.previous = self.previous();
        let live = Live::begin(true);
        options.events = live.sink();
        options.approver = live.approver();
        let ended = live.or_cancelled(hub.run(request, options)).await;
        drop(live);
        match ended {
            Ok(report) => {
                if let Some(limit) = &report.exhausted {
                    note(format!("stopped early: {limit}"));
                }
                ask::summary(&report);
                self.turns.push(report);
            }
            Err(error) => screen::error(&error.to_string()),
        }
    }

    /// The conversation, as models see it.
    fn history(&self) -> Vec<Message> {
        let pair = |t: &RunReport| [Message::user(t.request.clone()), Message::assistant(t.answer.clone())];
        self.turns.iter().filter(|t| !t.answer.is_empty()).flat_map(pair).collect()
    }

    /// The last result, which the next request may mean with "it".
    fn previous(&self) -> Option<Input> {
        let mut subtasks = self.turns.last()?.subtasks.iter().rev();
        let last = subtasks.find(|s| s.status == Status::Done)?;
        Some(Input { from: 0, task: last.task.clone(), payload: last.output.clone()? })
    }

    fn command(&mut self, command: &str, hub: &Hub) {
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        match (name, self.turns.last()) {
            ("help", _) => note(HELP),
            ("experts", _) => {
                for expert in hub.registry().experts() {
                    let profile = expert.profile();
                    note(format!("{:14} {}", styled(BOLD, &profile.id), profile.description));
                }
            }
            ("budget", _) => self.limit(argument.trim()),
            ("plan" | "why" | "cost" | "rate" | "save", None) => note("nothing was asked yet"),
            ("plan", Some(last)) => {
                for s in &last.subtasks {
                    let line = format!("{}. {} → {} (TE {:.2}, {:?})", s.id, s.task, s.expert, s.te, s.status);
                    note(screen::harmless(&line));
                }
            }
            ("why", Some(last)) => ask::explain(last),
            ("cost", Some(_)) => self.turns.iter().for_each(ask::summary),
            ("rate", Some(last)) => match rate(hub, &last.trace_id, argument) {
                Ok(recorded) => note(recorded),
                Err(error) => screen::error(&error.to_string()),
            },
            ("save", Some(_)) if argument.trim().is_empty() => note("give a file: /save talk.md"),
            ("save", Some(_)) => self.save(argument.trim()),
            _ => note(format!("there is no /{name}; /help lists the commands")),
        }
    }

    fn limit(&mut self, argument: &str) {
        match (argument, argument.parse::<f64>(), humantime::parse_duration(argument)) {
            ("", ..) => {}
            ("off", ..) => self.budget = Budget::default(),
            (_, Ok(usd), _) if usd.is_finite() && usd >= 0.0 => self.budget.usd = Some(usd),
            (_, _, Ok(time)) => self.budget.time = Some(time),
            _ => return note("give dollars, a time or off: /budget 0.01, /budget 30s, /budget off"),
        }
        let usd = self.budget.usd.map_or("no limit of money".to_owned(), |usd| format!("at most ${usd}"));
        let limit = |time: Duration| humantime::format_duration(time).to_string();
        note(format!("each request: {usd}, {}", self.budget.time.map_or("no deadline".to_owned(), limit)));
    }

    fn save(&self, path: &str) {
        let turns = self.turns.iter().map(|t| format!("## {}\n\n{}\n", t.request, t.answer));
        match std::fs::write(path, turns.collect::<Vec<_>>().join("\n")) {
            Ok(()) => note(format!("saved to {path}")),
            Err(e) => screen::error(&format!("cannot write {path}: {e}")),
        }
    }
}
