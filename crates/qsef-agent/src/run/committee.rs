use std::collections::BTreeMap;

use qsef_core::{Cost, Payload, Status};
use serde::{Deserialize, Serialize};

use super::step::{Candidate, Ended, Fault};

/// How the outputs of a committee become one (paper, section 6.4.3: top K, weights by TE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// The output that most of the weight agrees on; equal but for case, space and punctuation is agreed.
    Vote,
    /// The mean of numbers of one unit, weighted by TE; a vote where they are none.
    Mean,
    /// The planner's model writes one output of them.
    Synthesis,
}

/// Several experts for each subtask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// The most experts that do a subtask together; below 2 there is no committee.
    pub size: usize,
    /// How their outputs become one.
    pub method: Method,
}

/// One expert of a committee, at work on a subtask.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Member {
    /// The expert.
    pub candidate: Candidate,
    /// Where it stands.
    pub status: Status,
    /// Its calls.
    pub attempts: u32,
    /// Milliseconds to wait before the next call.
    pub wait_ms: u64,
    /// What its calls cost.
    pub cost: Cost,
    /// The model that was called, where one was.
    pub model: Option<String>,
    /// What it made.
    pub output: Option<Payload>,
}

impl Member {
    pub(super) fn new(candidate: Candidate) -> Self {
        let status = Status::Pending;
        Self { candidate, status, attempts: 0, wait_ms: 0, cost: Cost::default(), model: None, output: None }
    }

    pub(super) fn start(&mut self) {
        self.status = Status::Running;
        self.attempts += 1;
    }

    /// Its call ended; why, where it failed for good.
    pub(super) fn end(&mut self, result: Ended) -> Option<String> {
        match result {
            Ended::Done(outcome) => {
                self.cost += outcome.cost;
                self.model = outcome.model;
                self.output = Some(outcome.payload);
                self.status = Status::Done;
                None
            }
            Ended::Failed(Fault { retry_ms: Some(wait_ms), .. }) => {
                (self.status, self.wait_ms) = (Status::Pending, wait_ms);
                None
            }
            Ended::Failed(Fault { message, .. }) => {
                self.status = Status::Failed;
                Some(message)
            }
        }
    }

    /// After the process that ran it is gone.
    pub(super) fn take_up(&mut self) {
        if self.status == Status::Running {
            (self.status, self.attempts, self.wait_ms) = (Status::Pending, 0, 0);
        }
    }
}

/// One member's output, with its weight.
pub(super) type Output<'a> = (&'a Payload, f64);

/// The output that all come to, with the share of the weight that agrees with it.
pub(super) type Integrated = (Payload, f64);

/// The outputs of those that made one, with their weights.
pub(super) fn outputs(members: &[Member]) -> Vec<Output<'_>> {
    members.iter().filter_map(|m| Some((m.output.as_ref()?, m.candidate.te))).collect()
}

/// The output that has most of the weight, and that share of it. Of outputs that agree, the first is taken: that of the best
/// expert. None without outputs.
pub(super) fn vote(outputs: &[Output<'_>]) -> Option<Integrated> {
    let mut weights: BTreeMap<String, f64> = BTreeMap::new();
    for (payload, weight) in outputs {
        *weights.entry(plain(payload)).or_default() += weight;
    }
    let total: f64 = weights.values().sum();
    let weight = |payload: &Payload| weights.get(&plain(payload)).copied().unwrap_or_default();
    let best = outputs.iter().map(|(payload, _)| weight(payload)).fold(0.0, f64::max);
    let (winner, _) = outputs.iter().find(|(payload, _)| weight(payload) >= best)?;
    Some(((*winner).clone(), if total > 0.0 { best / total } else { 0.0 }))
}

/// The mean of numbers of one unit, and the share of the weight that is within 5 % of it. None where an output is no number,
/// or their units differ.
pub(super) fn mean(outputs: &[Output<'_>]) -> Option<Integrated> {
    let numbers: Vec<(f64, String)> = outputs.iter().map(|(payload, _)| number(payload)).collect::<Option<_>>()?;
    let (_, unit) = numbers.first()?;
    if !numbers.iter().all(|(_, other)| other == unit) {
        return None;
    }
    let weighted = || numbers.iter().zip(outputs).map(|((x, _), (_, weight))| (*x, *weight));
    let total: f64 = weighted().map(|(_, weight)| weight).sum();
    let mean = weighted().map(|(x, weight)| x * weight).sum::<f64>() / total;
    let near = weighted().filter(|(x, _)| (x - mean).abs() <= 0.05 * mean.abs()).map(|(_, weight)| weight).sum::<f64>();
    if !mean.is_finite() {
        return None;
    }
    let text = format!("{mean} {unit}");
    let (first, _) = outputs.first()?;
    Some((Payload::string(text.trim(), first.format.clone()), near / total))
}

/// A payload's amount, and its unit in lower case.
fn number(payload: &Payload) -> Option<(f64, String)> {
    let text = payload.to_text();
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | ','))).unwrap_or(text.len());
    let (amount, unit) = text.split_at_checked(end)?;
    let amount: f64 = amount.replace(',', "").parse().ok()?;
    amount.is_finite().then(|| (amount, unit.trim().to_lowercase()))
}

/// A payload without what does not make a difference to people.
fn plain(payload: &Payload) -> String {
    let text = payload.to_text().to_lowercase();
    let words = text.split_whitespace().map(|w| w.trim_matches(|c: char| c.is_ascii_punctuation() && c != '-'));
    words.filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outputs: &[(&str, f64)]) -> Vec<(Payload, f64)> {
        outputs.iter().map(|(text, weight)| (Payload::text(*text), *weight)).collect()
    }

    fn by(method: fn(&[Output<'_>]) -> Option<Integrated>, outputs: &[(&str, f64)]) -> Option<(String, f64)> {
        let payloads = said(outputs);
        let views: Vec<_> = payloads.iter().map(|(p, w)| (p, *w)).collect();
        method(&views).map(|(p, share)| (p.to_text(), (share * 100.0).round() / 100.0))
    }

    #[test]
    fn weight_decides_a_vote_and_spelling_does_not() {
        assert_eq!(by(vote, &[("Paris.", 0.4), ("London", 0.5), ("paris", 0.4)]), Some(("Paris.".into(), 0.62)));
        assert_eq!(by(vote, &[("a", 0.5), ("b", 0.5)]), Some(("a".into(), 0.5)));
        assert_eq!(by(vote, &[("-3", 0.5), ("3", 0.4)]), Some(("-3".into(), 0.56)));
        assert_eq!(by(vote, &[]), None);
    }

    #[test]
    fn numbers_of_one_unit_have_a_mean() {
        assert_eq!(by(mean, &[("10 km", 0.5), ("20 km", 0.5)]), Some(("15 km".into(), 0.0)));
        assert_eq!(by(mean, &[("10", 0.3), ("10.2", 0.3), ("40", 0.0)]), Some(("10.1".into(), 1.0)));
        assert_eq!(by(mean, &[("1,000 Km", 1.0), ("1000 km", 1.0)]), Some(("1000 km".into(), 1.0)));
        for none in [&[("10 km", 0.5), ("10 miles", 0.5)][..], &[("ten", 1.0)], &[("1.2.3", 1.0)], &[]] {
            assert_eq!(by(mean, none), None);
        }
    }
}
