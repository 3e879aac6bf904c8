use std::{collections::BTreeMap, io::Read, time::Duration};

use indicatif::ProgressBar;
use qsef::{
    Error, Hub, Judgement, Result, RunOptions, RunReport, Status, Verdict,
    cassette::Cassette,
    run::{Approval, Claim, HandedOff},
};

use crate::{
    End,
    args::{Ask, Common, Resume},
    live::Live,
    models,
    screen::{self, DIM, harmless, note, styled},
};

/// The longest request, in bytes.
const MAX_REQUEST: usize = 1 << 20;

pub async fn run(args: Ask) -> Result<End> {
    let cassette = args.cassette()?;
    let ended = ask(&args, cassette.as_ref()).await;
    let Some(cassette) = cassette else { return ended };
    // A run that went wrong is worth recording, too.
    let finished = cassette.finish();
    let end = ended?;
    finished?;
    if let Some(path) = &args.record {
        note(format!("recorded in {}", path.display()));
    }
    Ok(end)
}

/// The name of the note in a cassette that holds the request.
const REQUEST: &str = "request";

async fn ask(args: &Ask, cassette: Option<&Cassette>) -> Result<End> {
    let recorded = || cassette.and_then(|cassette| cassette.noted(REQUEST));
    let mut query = match &args.query {
        Some(query) => read_query(query)?,
        None => recorded().ok_or_else(|| Error::Input("the recording does not say the request: give it".into()))?,
    };
    if let Some(cassette) = cassette {
        query = cassette.scrub(&query);
    }
    if let Some(cassette) = cassette.filter(|cassette| cassette.records()) {
        cassette.note(REQUEST, &query);
        cassette.note("agent", &args.common.agent);
        cassette.note("version", env!("CARGO_PKG_VERSION"));
    }
    let hub = models::open_with(&args.common, cassette.cloned()).await?;
    let mut options = RunOptions::default();
    options.budget = args.limits.budget();
    options.plan_only = args.plan_only;
    options.committee = args.committee();
    options.compose = args.compose;
    let live = Live::begin(!args.json);
    options.events = live.sink();
    // A script is not asked: it gets the document, and resumes the run with the answers.
    options.approver = (!args.json && args.query.as_deref() != Some("-")).then(|| live.approver()).flatten();
    let report = live.or_cancelled(hub.run(&query, options)).await?;
    drop(live);
    let judgement = match args.judge {
        true => {
            judged(&hub, &report.trace_id).await.map_err(|e| screen::warning(format!("nothing is judged: {e}"))).ok()
        }
        false => None,
    };
    finish(&report, args.json, args.explain, judgement.as_ref())
}

/// Has a run of the past judged.
pub async fn judge(id: &str, common: &Common, json: bool) -> Result<End> {
    let hub = models::open(common).await?;
    let trace = hub.ledger()?.resolve(id)?;
    let judgement = judged(&hub, &trace).await?;
    if json {
        screen::json(&serde_json::json!({"trace_id": trace, "judgement": judgement}))?;
    } else {
        tell(&judgement);
    }
    Ok(End::Done)
}

async fn judged(hub: &Hub, trace: &str) -> Result<Judgement> {
    let bar = screen::add(ProgressBar::new_spinner().with_message("judging what models made"));
    bar.enable_steady_tick(Duration::from_millis(100));
    let judgement = models::or_cancelled(hub.judge(trace)).await;
    screen::remove(&bar);
    judgement
}

fn tell(judgement: &Judgement) {
    if judgement.verdicts.is_empty() {
        note("there is nothing to judge: no model made a part of it");
    }
    for Verdict { id, expert, score, reason, .. } in &judgement.verdicts {
        note(harmless(&format!("{id}. {expert} is judged {score}: {reason}")));
    }
}

/// Goes on with a run that was stored.
pub async fn resume(args: Resume) -> Result<End> {
    let hub = models::open(&args.common).await?;
    let trace = hub.ledger()?.resolve(&args.id)?;
    let approve = args.approve.iter().map(|id| (*id, Approval::Approve));
    let deny = args.deny.iter().map(|id| (*id, Approval::Deny(String::new())));
    let edit = args.edit.iter().map(|(id, task)| (*id, Approval::Edit(task.clone())));
    let mut answers = BTreeMap::new();
    for (id, answer) in approve.chain(deny).chain(edit) {
        if answers.insert(id, answer).is_some() {
            return Err(Error::Input(format!(
                "subtask {id} has two answers; give one of --approve, --deny and --edit"
            )));
        }
    }
    let mut options = RunOptions::default();
    options.budget = args.limits.budget();
    let live = Live::begin(!args.json);
    options.events = live.sink();
    options.approver = (!args.json).then(|| live.approver()).flatten();
    let report = live.or_cancelled(hub.resume(&trace, answers, options)).await?;
    drop(live);
    finish(&report, args.json, false, None)
}

/// Prints what is to be told of a run after its answer; how the command ends.
fn finish(report: &RunReport, json: bool, explained: bool, judgement: Option<&Judgement>) -> Result<End> {
    if json {
        screen::json(&report.document(explained, judgement))?;
    } else {
        if explained {
            explain(report);
        }
        summary(report);
        judgement.iter().for_each(|judgement| tell(judgement));
    }
    for subtask in report.subtasks.iter().filter(|s| s.status == Status::Paused) {
        let line = format!("{}. {} → {} waits for your approval", subtask.id, subtask.task, subtask.expert);
        let command = format!("qsef trace resume {} --approve {}", report.trace_id, subtask.id);
        note(format!("{}; {command} (or --deny, --edit)", harmless(&line)));
    }
    Ok(match &report.exhausted {
        Some(limit) => {
            note(format!("stopped early: {}", harmless(limit)));
            End::Exhausted
        }
        None if report.succeeded() => End::Done,
        None => End::Failed,
    })
}

/// The request itself, or standard input for `-`.
fn read_query(query: &str) -> Result<String> {
    let mut text = query.to_owned();
    if query == "-" {
        let mut bytes = Vec::new();
        let stdin = std::io::stdin().lock();
        let read = stdin.take(MAX_REQUEST as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|e| Error::Io { context: "cannot read standard input".into(), source: e })?;
        text = String::from_utf8(bytes).map_err(|_| Error::Input("standard input is not UTF-8 text".into()))?;
    }
    if text.len() > MAX_REQUEST {
        return Err(Error::Input(format!("the request has more than {MAX_REQUEST} bytes; shorten it")));
    }
    Ok(text)
}

/// A claim of the answer, and where it comes from.
pub fn claimed(claim: &Claim) -> String {
    let from: Vec<String> = claim.subtasks.iter().map(ToString::to_string).collect();
    format!("\"{}\" from {}", claim.text, from.join(", "))
}

/// Why each subtask has its expert: the best scores, part by part.
pub fn explain(report: &RunReport) {
    for repair in &report.repairs {
        note(styled(DIM, format!("plan: {}", harmless(repair))));
    }
    for claim in &report.claims {
        note(styled(DIM, harmless(&format!("says {}", claimed(claim)))));
    }
    for subtask in &report.subtasks {
        let line = format!("\n{}. {} → {}: {}", subtask.id, subtask.task, subtask.expert, subtask.why);
        note(harmless(&line));
        if let Some(output) = &subtask.output_type {
            note(styled(DIM, harmless(&format!("   its output: {output}"))));
        }
        for score in subtask.scores.iter().take(5) {
            note(styled(DIM, format!("   {:14} {}", score.expert, score.explain())));
        }
        for HandedOff { of, hand_off } in &subtask.hand_offs {
            let mut line = format!("   handed {of}: {} ({:?})", hand_off.path.join(" → "), hand_off.means);
            for remark in hand_off.missing.iter().map(|m| format!("lacks {m}")).chain(hand_off.notes.iter().cloned()) {
                line += &format!("; {remark}");
            }
            note(styled(DIM, harmless(&line)));
        }
        if let Some(agreement) = subtask.agreement {
            let members: Vec<&str> = subtask.committee.iter().map(|(expert, _)| expert.as_str()).collect();
            note(styled(DIM, format!("   done by {}; {:.0} % agree", members.join(", "), 100.0 * agreement)));
        }
        let Some(chosen) = subtask.scores.iter().find(|s| s.expert == subtask.expert) else { continue };
        note(styled(DIM, format!("   {}", chosen.breakdown())));
        if chosen.seen > 0 {
            note(styled(DIM, format!("   {} outcomes of {} at similar tasks", chosen.seen, chosen.expert)));
        }
        if let Some(advice) = chosen.advice() {
            note(styled(DIM, format!("   what would raise it: {advice}")));
        }
    }
}

/// Tokens, money and time in a line.
pub fn summary(report: &RunReport) {
    let seconds = |d: std::time::Duration| format!("{:.1} s", d.as_secs_f64());
    let usage = report.usage;
    let ended = || report.subtasks.iter().filter(|s| matches!(s.status, Status::Done | Status::Failed));
    if ended().count() > 1 {
        let done = ended().map(|s| format!("{} {} {}", s.id, s.expert, seconds(s.elapsed)));
        note(styled(DIM, done.collect::<Vec<_>>().join(" · ")));
    }
    note(styled(
        DIM,
        format!(
            "{} + {} tokens ({} reused) · ${:.4} · {} (plan {}) · {}",
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            report.cost_usd,
            seconds(report.elapsed),
            seconds(report.planning),
            report.trace_id
        ),
    ));
}
