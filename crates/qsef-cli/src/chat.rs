//! The session: a line editor, a hub, and the conversation so far.

use qsef::{Error, Hub, Result, RunOptions, RunReport};
use rustyline::{DefaultEditor, error::ReadlineError};

use crate::{
    End,
    args::Common,
    ask, live, models,
    screen::{self, BOLD, DIM, note, styled},
};

const HELP: &str = "\
/plan      the last plan with its experts
/why       why each subtask went to its expert
/cost      tokens, money and time of the session
/experts   the experts
/save FILE write the conversation as Markdown
/quit      leave (also Ctrl-D)
Ctrl-C cancels a run. A request that says \"it\" or \"the result\" sees the conversation before it.";

/// The most text of the conversation that a request gets to see, in characters.
const CONTEXT: usize = 2_000;

#[derive(Default)]
struct Session {
    turns: Vec<RunReport>,
}

pub async fn run(args: Common) -> Result<End> {
    let hub = models::open(&args).await?;
    let mut editor = DefaultEditor::new().map_err(broken)?;
    let history = qsef::home()?.join("chat_history");
    // There is no history before the first session.
    let _ = editor.load_history(&history);
    note(styled(DIM, "Ask something, or /help. Ctrl-C cancels a run, Ctrl-D leaves."));
    let mut session = Session::default();
    loop {
        let read = tokio::task::block_in_place(|| editor.readline("› "));
        let line = match read {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(broken(e)),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(line);
        match line.strip_prefix('/') {
            Some("quit" | "exit" | "q") => break,
            Some(command) => session.command(command, &hub),
            None => session.ask(line, &hub).await,
        }
    }
    if let Some(dir) = history.parent() {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    }
    editor.save_history(&history).map_err(broken)?;
    Ok(End::Done)
}

fn broken(error: ReadlineError) -> Error {
    Error::Internal(format!("the terminal cannot be read: {error}"))
}

impl Session {
    async fn ask(&mut self, request: &str, hub: &Hub) {
        let mut options = RunOptions::default();
        options.context = self.context();
        options.events = live::sink(true);
        let ended = tokio::select! {
            report = hub.run(request, options) => report,
            _ = tokio::signal::ctrl_c() => Err(Error::Cancelled),
        };
        screen::print("\n");
        match ended {
            Ok(report) => {
                ask::summary(&report);
                self.turns.push(report);
            }
            Err(error) => screen::error(&error.to_string()),
        }
    }

    /// The end of the conversation, as much as a request gets to see.
    fn context(&self) -> Option<String> {
        let last = self.turns.last()?;
        let text = format!("Request: {}\nAnswer: {}", last.request, last.answer);
        let skip = text.chars().count().saturating_sub(CONTEXT);
        Some(text.chars().skip(skip).collect())
    }

    fn command(&self, command: &str, hub: &Hub) {
        let (name, argument) = command.split_once(' ').unwrap_or((command, ""));
        match (name, self.turns.last()) {
            ("help", _) => note(HELP),
            ("experts", _) => {
                for expert in hub.registry().experts() {
                    let profile = expert.profile();
                    note(format!("{:14} {}", styled(BOLD, &profile.id), profile.description));
                }
            }
            ("plan" | "why" | "cost" | "save", None) => note("nothing was asked yet"),
            ("plan", Some(last)) => {
                for s in &last.subtasks {
                    note(format!("{}. {} → {} (TE {:.2}, {:?})", s.id, s.task, s.expert, s.te, s.status));
                }
            }
            ("why", Some(last)) => ask::explain(last),
            ("cost", Some(_)) => self.turns.iter().for_each(ask::summary),
            ("save", Some(_)) if argument.trim().is_empty() => note("give a file: /save talk.md"),
            ("save", Some(_)) => self.save(argument.trim()),
            _ => note(format!("there is no /{name}; /help lists the commands")),
        }
    }

    fn save(&self, path: &str) {
        let turns = self.turns.iter().map(|t| format!("## {}\n\n{}\n", t.request, t.answer));
        match std::fs::write(path, turns.collect::<Vec<_>>().join("\n")) {
            Ok(()) => note(format!("saved to {path}")),
            Err(e) => screen::error(&format!("cannot write {path}: {e}")),
        }
    }
}
