//! Asks the person at the terminal before an expert runs that needs it.

use std::{
    io::{IsTerminal, stdin},
    sync::Mutex,
};

use qsef::run::{Approval, Approver, Question};

use crate::screen::{BOLD, CYAN, DIM, harmless, note, styled};

/// The most characters of an input that are shown.
const SHOWN: usize = 300;

/// Asks at the terminal; none where there is none. `before` is called before a question is put.
pub fn at_terminal(before: impl Fn() + Send + Sync + Clone + 'static) -> Option<Approver> {
    stdin().is_terminal().then(|| {
        Approver::new(move |question| {
            let before = before.clone();
            async move {
                // Reading blocks; a cancelled run leaves the thread to the next line.
                tokio::task::spawn_blocking(move || {
                    before();
                    ask(&question)
                })
                .await
                .ok()
                .flatten()
            }
        })
    })
}

/// One question at a time.
static ASKING: Mutex<()> = Mutex::new(());

fn ask(question: &Question) -> Option<Approval> {
    let _asking = ASKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let task = harmless(&question.task);
    let number = styled(BOLD, format!("{}.", question.id));
    note(format!("{number} {task}\n    → {} needs your approval", styled(CYAN, harmless(&question.expert))));
    note(styled(DIM, format!("    {}", harmless(&question.why))));
    for input in &question.inputs {
        let shown: String = harmless(&input.payload.to_text()).chars().take(SHOWN).collect();
        note(styled(DIM, format!("    it would be given: {}", shown.replace(['\n', '\t'], " "))));
    }
    loop {
        note("    [y]es, [n]o, [e]dit what it is to do, or an empty line to decide later:");
        let answer = line()?;
        match answer.to_lowercase().as_str() {
            "y" | "yes" => return Some(Approval::Approve),
            "n" | "no" => return Some(Approval::Deny(String::new())),
            "e" | "edit" => {
                note("    what it is to do instead:");
                return line().filter(|task| !task.is_empty()).map(Approval::Edit);
            }
            "" => return None,
            _ => {}
        }
    }
}

/// A line of standard input; none at its end.
fn line() -> Option<String> {
    let mut text = String::new();
    let read = stdin().read_line(&mut text).ok()?;
    (read > 0).then(|| text.trim().to_owned())
}
