//! The hand-off test set: what one expert wrote, handed to another that takes a certain format. Real formats with realistic
//! values (`data.rs`), hostile values (`hostile.rs`), and properties of arbitrary ones (`properties.rs`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)] // helpers of tests are test code

mod data;
mod hostile;
mod properties;

use std::{
    collections::BTreeMap,
    task::{Context, Poll, Waker},
    time::Instant,
};

use data::{Pair, pairs};
use qsef_agent::translate::{Consumer, Translation, Translator};
use qsef_core::{ExpertProfile, Format, Means, Payload};

fn consumer(takes: Format) -> Consumer {
    Consumer::new(&ExpertProfile::new("reader", "Reads what it gets.").takes([takes]))
}

/// Adapters do not wait, so a translation without a model ends at the first poll.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits"),
    }
}

fn translate(payload: &Payload, takes: Format) -> Translation {
    at_once(Translator::new().translate(payload, &consumer(takes)))
}

/// The text of a payload; of CSV the cells, because a comma between two numbers looks like a part of them.
fn said(payload: &Payload) -> String {
    let text = payload.to_text();
    let csv = payload.format == Format::Csv || payload.format == Format::Text && text.lines().count() > 2;
    let rows: Result<Vec<csv::StringRecord>, _> =
        csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).records().collect();
    match rows {
        Ok(rows) if csv => rows.iter().flat_map(|row| row.iter()).collect::<Vec<_>>().join("\n"),
        _ => text,
    }
}

/// Whether a text has a number or a name as a whole: `5` is not in `15` or `5.0`.
fn has(text: &str, fact: &str) -> bool {
    text.match_indices(fact).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + fact.len()..]);
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let more = after.starts_with(['.', ',']) && digit(after.chars().nth(1));
        !fact.ends_with(|c: char| c.is_ascii_digit()) && !fact.starts_with(|c: char| c.is_ascii_digit())
            || !(digit(before.chars().next_back()) || digit(after.chars().next()) || more)
    })
}

#[test]
fn every_hand_off_is_valid_or_flagged_and_adapters_keep_every_fact() {
    let pairs = pairs();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut broken, mut unread): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for Pair { payload, takes, facts } in &pairs {
        let done = translate(payload, takes.clone());
        let valid = consumer(takes.clone()).reads(&done.payload).is_ok();
        let case = || format!("{payload:?}\n  -> {takes:?}\n  = {done:?}");
        assert!(valid || done.hand_off.flagged(), "{}", case());
        let how = match done.hand_off.means {
            Means::Untouched => "as it is",
            Means::Adapters if done.hand_off.missing.is_empty() => "adapters, all of it",
            Means::Adapters => "adapters, out of prose",
            _ => "needs the model",
        };
        *counts.entry(how).or_default() += 1;
        let text = said(&done.payload);
        let lost: Vec<&String> = facts.iter().filter(|fact| !has(&text, fact)).collect();
        match how {
            // What is taken out of prose has no number that was not there.
            "adapters, out of prose" => {
                let source = said(payload);
                let values: Vec<&str> = text.split(|c: char| !(c.is_ascii_digit() || ".,-".contains(c))).collect();
                let made = values.iter().map(|v| v.trim_matches(['.', ',', '-'])).filter(|v| !v.is_empty());
                let dates = matches!(takes, Format::Date);
                broken.extend(made.filter(|v| !dates && !source.contains(v)).map(|v| format!("{v}: {}", case())));
            }
            "needs the model" => unread.push(format!("{:?} -> {takes:?}: {:.60?}", payload.format, payload.to_text())),
            _ if !lost.is_empty() => broken.push(format!("{lost:?} lost: {}", case())),
            _ => {}
        }
    }
    let n = pairs.len();
    let share = |how: &str| 100.0 * counts.get(how).copied().unwrap_or(0) as f64 / n as f64;
    eprintln!("{n} hand-offs");
    counts.iter().for_each(|(how, count)| eprintln!("  {how}: {count} ({:.1} %)", share(how)));
    unread.iter().for_each(|line| eprintln!("    {line}"));
    assert!(broken.is_empty(), "{} of {n}:\n{}", broken.len(), broken.join("\n"));
    assert!(n >= 200 && share("needs the model") < 15.0);
}

#[test]
fn a_small_hand_off_takes_microseconds() {
    let csv = Payload::string("id,city,price\n007,São Paulo,\"1,250.50\"\n008,北京,-3\n", Format::Csv);
    let prose = Payload::text("The way from Berlin to Paris is 1,050.0 km long.");
    let translator = Translator::new();
    for (payload, takes) in
        [(&csv, Format::MarkdownTable), (&csv, Format::Json), (&prose, Format::Number), (&csv, Format::Csv)]
    {
        let consumer = consumer(takes.clone());
        let mut times: Vec<_> = (0..500)
            .map(|_| {
                let began = Instant::now();
                at_once(translator.translate(payload, &consumer));
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        eprintln!("{:?} -> {takes:?}: {:?} at the median", payload.format, times[times.len() / 2]);
        assert!(times[times.len() / 2].as_millis() < 2, "{:?}", times[times.len() / 2]);
    }
}
