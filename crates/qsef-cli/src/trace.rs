//! What was recorded of earlier runs, and what people say of it.

use std::time::{Duration, UNIX_EPOCH};

use qsef::{
    Error, Ledger, Result, Status, SubtaskId,
    ledger::{Outcome, Recorded},
    run::{Run, Work, replay},
};
use serde_json::{Value, json};

use crate::{
    End,
    args::Feedback,
    ask,
    screen::{self, BOLD, DIM, harmless, note, styled},
};

pub fn feedback(args: Feedback) -> Result<End> {
    let ledger = qsef::open_ledger()?;
    let trace = ledger.resolve(&args.trace)?;
    screen::print(&format!("{}\n", rate(&ledger, &trace, args.subtask, args.score, args.note.as_deref())?));
    Ok(End::Done)
}

/// Adds a person's score to the ledger; what was recorded, in a line.
pub fn rate(
    ledger: &Ledger,
    trace: &str,
    subtask: Option<SubtaskId>,
    score: f64,
    note: Option<&str>,
) -> Result<String> {
    let rated = ledger.rate(trace, subtask, score, note)?;
    let rated: Vec<String> = rated.iter().map(|(id, expert)| format!("{id} {expert}")).collect();
    Ok(harmless(&format!("recorded {score} for {} of {trace}", rated.join(", "))))
}

/// A score as people and scripts give it.
pub fn score(text: &str) -> std::result::Result<f64, String> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "a score is a number from 0 (of no use) to 1 (just right)".to_owned())
}

pub fn list(limit: usize, json: bool) -> Result<End> {
    let ledger = qsef::open_ledger()?;
    let traces = ledger.traces(limit)?;
    if json {
        screen::json(&json!({ "traces": traces }))?;
        return Ok(End::Done);
    }
    if traces.is_empty() {
        note(format!("nothing is recorded in {} yet", ledger.path().display()));
    }
    for trace in traces {
        let subtasks = format!("{:2} subtask{}", trace.subtasks, if trace.subtasks == 1 { " " } else { "s" });
        let about = styled(DIM, format!("{}  {subtasks}", time(trace.at_ms)));
        let line = format!("{}  {about}  {}\n", styled(BOLD, harmless(&trace.trace_id)), one_line(&trace.request, 100));
        screen::print(&line);
    }
    Ok(End::Done)
}

/// Shows a run: what was decided, how that turned out, and how far the run is.
pub fn show(id: &str, json: bool) -> Result<End> {
    let ledger = qsef::open_ledger()?;
    let id = ledger.resolve(id)?;
    let run = replay(ledger.steps_of(&id)?.into_iter().map(|(_, step)| step))?;
    // Before anything is decided there is nothing but the request.
    let recorded = if run.steps > 0 && run.work.is_empty() { Vec::new() } else { ledger.decisions_of(&id)? };
    let state = (run.steps > 0).then(|| state(&run));
    if json {
        screen::json(&document(&id, &recorded, &run, state.as_deref()))?;
        return Ok(End::Done);
    }
    if recorded.is_empty() {
        screen::print(&format!("{}\n{}\n", styled(BOLD, harmless(&id)), harmless(&run.request)));
    }
    print(&recorded);
    for claim in run.composition.iter().flat_map(|c| &c.claims) {
        screen::print(&format!("\nsays {}\n", one_line(&ask::claimed(claim), 400)));
    }
    if let Some(state) = state {
        screen::print(&format!("\n{}\n", harmless(&state)));
    }
    Ok(End::Done)
}

/// How far a run is, in words.
fn state(run: &Run) -> String {
    let waiting: Vec<String> = run.paused().map(|w| w.subtask.id.to_string()).collect();
    let count = |status| run.work.values().filter(|w| w.status == status).count();
    match &run.stopped {
        Some(reason) => format!("stopped: {reason}; `qsef trace resume` goes on"),
        None if !waiting.is_empty() => format!("waits for an approval: subtask {}", waiting.join(", ")),
        None if !run.next().is_empty() || run.is_under_way() => {
            "not at its end; `qsef trace resume` goes on".to_owned()
        }
        None if count(Status::Failed) > 0 => format!("ended, {} of {} failed", count(Status::Failed), run.work.len()),
        None => "done".to_owned(),
    }
}

fn print(recorded: &[Recorded]) {
    if let Some(first) = recorded.first() {
        let began = styled(DIM, time(first.decision.at_ms));
        let trace = styled(BOLD, harmless(&first.decision.trace_id));
        screen::print(&format!("{trace}  {began}\n{}\n", harmless(&first.decision.request)));
    }
    let mut task = None;
    for Recorded { decision, outcomes } in recorded {
        if task.replace(decision.subtask) != Some(decision.subtask) {
            screen::print(&format!("\n{}. {}\n", decision.subtask, one_line(&decision.task, 200)));
        }
        let others: Vec<String> = decision.alternatives.iter().map(|(e, te)| format!("{e} {te:.2}")).collect();
        let others = if others.is_empty() { String::new() } else { format!("  others {}", others.join(", ")) };
        let te = styled(DIM, format!("TE {:.2}{}", decision.te, harmless(&others)));
        screen::print(&format!("   → {}  {te}\n", harmless(&decision.expert)));
        for outcome in outcomes {
            screen::print(&format!("     {}\n", in_words(outcome)));
        }
    }
}

fn in_words(outcome: &Outcome) -> String {
    let mut parts = vec![format!("{} {}", outcome.kind.name().replace('_', " "), outcome.score)];
    parts.extend(outcome.latency_ms.map(|ms| format!("{:.1} s", ms as f64 / 1000.0)));
    parts.extend(outcome.usd.map(|usd| format!("${usd:.4}")));
    parts.extend(outcome.tokens.map(|tokens| format!("{tokens} tokens")));
    parts.extend(outcome.note.as_ref().map(|note| one_line(note, 200)));
    styled(DIM, parts.join(" · "))
}

/// A trace as `qsef trace show --json` prints it.
fn document(id: &str, recorded: &[Recorded], run: &Run, state: Option<&str>) -> Value {
    let outcome = |o: &Outcome| {
        json!({
            "kind": o.kind, "score": o.score, "latency_ms": o.latency_ms, "usd": o.usd, "tokens": o.tokens,
            "note": o.note, "at_ms": o.at_ms,
        })
    };
    let row = |r: &Recorded| {
        let d = &r.decision;
        let alternative = |(expert, te): &(String, f64)| json!({"expert": expert, "te": te});
        json!({
            "subtask": d.subtask, "task": d.task, "expert": d.expert, "te": d.te, "terms": d.terms,
            "alternatives": d.alternatives.iter().map(alternative).collect::<Vec<_>>(),
            "embedder": d.embedder, "expected_usd": d.expected_usd, "at_ms": d.at_ms,
            "outcomes": r.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        })
    };
    let subtask = |w: &Work| {
        json!({
            "id": w.subtask.id, "task": w.subtask.task, "status": w.status, "expert": w.expert().map(|e| &e.expert),
            "attempts": w.attempts, "cost_usd": w.cost.usd, "elapsed_ms": w.elapsed_ms,
            "output": w.output.as_ref().map(|o| &o.value), "error": w.error,
            "hand_offs": w.hand_offs,
        })
    };
    let first = recorded.first().map(|r| &r.decision);
    json!({
        "trace_id": id, "request": first.map_or(&run.request, |d| &d.request), "at_ms": first.map(|d| d.at_ms),
        "state": state,
        "subtasks": run.work.values().map(subtask).collect::<Vec<_>>(),
        "composition": run.composition,
        "decisions": recorded.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A text without line breaks, cut.
fn one_line(text: &str, chars: usize) -> String {
    harmless(text).replace(['\n', '\t'], " ").chars().take(chars).collect()
}

/// A time in UTC.
fn time(at_ms: u64) -> String {
    // The year 9999 is the last that has a form.
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// What `/rate` is given: a score, and the subtask that it is for.
pub fn rating(argument: &str) -> Result<(f64, Option<SubtaskId>)> {
    let usage =
        || Error::Input("rate the last answer from 0 to 1: /rate 0.8, /rate good, or its subtask: /rate bad 2".into());
    let mut words = argument.split_whitespace();
    let score = match words.next() {
        Some("good") => 1.0,
        Some("bad") => 0.0,
        Some(word) => score(word).map_err(|_| usage())?,
        None => return Err(usage()),
    };
    let subtask = words.next().map(str::parse).transpose().map_err(|_| usage())?;
    if words.next().is_some() { Err(usage()) } else { Ok((score, subtask)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_read_in_words_and_in_numbers() {
        for (text, read) in
            [("0.8", (0.8, None)), ("good", (1.0, None)), ("bad 2", (0.0, Some(2))), (" 1  3 ", (1.0, Some(3)))]
        {
            assert_eq!(rating(text).unwrap(), read);
        }
        for text in ["", "fine", "1.2", "-0.1", "NaN", "inf", "0.5 x", "0.5 -1", "0.5 1 1"] {
            assert!(rating(text).unwrap_err().to_string().contains("/rate"), "{text}");
        }
    }

    #[test]
    fn no_time_is_beyond_the_calendar() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
