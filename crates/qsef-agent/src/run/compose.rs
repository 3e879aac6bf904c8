//! The final answer in one text: claims, each tied to the subtasks that it comes from.

use std::collections::BTreeSet;

use qsef_core::{Format, Modality, Payload, Status, SubtaskId};
use serde::{Deserialize, Serialize};

use super::{
    state::{MAX_REPLANS, Run},
    work::Work,
};
use crate::translate::survives;

/// The longest output that is told in other words, in bytes: a longer one is an answer by itself.
const MAX_TOLD: usize = 800;

/// A sentence of the final answer, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What it says.
    pub text: String,
    /// The subtasks whose outputs say so.
    pub subtasks: Vec<SubtaskId>,
}

/// A final answer in one text, as far as what a model wrote holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    /// What is told in its order; empty where the outputs are joined as they are.
    pub claims: Vec<Claim>,
    /// Why something of what the model wrote was left out, in words.
    pub problems: Vec<String>,
}

impl Composition {
    /// A composition that failed as a whole.
    pub(super) fn failed(problem: String) -> Self {
        Self { claims: Vec::new(), problems: vec![problem] }
    }

    /// The subtasks whose outputs the claims tell.
    pub fn told(&self) -> BTreeSet<SubtaskId> {
        self.claims.iter().flat_map(|c| &c.subtasks).copied().collect()
    }

    /// The claims as one text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for claim in &self.claims {
            if !text.is_empty() && !text.ends_with(['。', '！', '？', '；']) {
                text.push(' ');
            }
            text.push_str(claim.text.trim());
        }
        text
    }
}

/// An output that may be told in other words.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub id: SubtaskId,
    pub task: String,
    pub payload: Payload,
}

/// Short prose and values may be told; code, tables, structures and long texts stay as they are.
fn is_tellable(payload: &Payload) -> bool {
    let format =
        matches!(payload.format, Format::Text | Format::Number | Format::Boolean | Format::Date | Format::List);
    if !format || payload.modality != Modality::Text {
        return false;
    }
    let text = payload.to_text();
    let set_apart = |line: &str| line.starts_with("    ") || line.trim_start().starts_with(['|', '{', '[', '<', '~']);
    text.len() <= MAX_TOLD && !text.contains('`') && !text.lines().any(set_apart)
}

impl Run {
    /// The outputs that one text may be made of: those of the plan's subtasks that a reader does not need verbatim.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let subtasks = self.plan.iter().flat_map(|p| &p.subtasks);
        let source = |s: &qsef_core::Subtask| {
            let work = self.work.get(&s.id).filter(|w| w.status == Status::Done)?;
            let payload = work.output.clone().filter(is_tellable)?;
            Some(Source { id: s.id, task: work.task().to_owned(), payload })
        };
        subtasks.filter_map(source).collect()
    }

    /// Whether one text is wanted and not yet written, and there is more than one output to write it of.
    pub(crate) fn is_to_compose(&self) -> bool {
        let wanted = self.compose.is_some() && self.composition.is_none() && !self.work.is_empty();
        let open = |w: &Work| !w.has_ended() || (w.stuck && self.replans < MAX_REPLANS);
        wanted && !self.work.values().any(open) && self.sources().len() > 1
    }

    /// US dollars and tokens that it may take to write the final answer.
    pub(super) fn composing_takes(&self) -> (f64, u64) {
        let sources = self.sources();
        let bytes: usize = sources.iter().map(|s| s.task.len() + 2 * s.payload.to_text().len()).sum();
        let tokens = PROMPT_TOKENS + (self.request.len() + bytes) as u64 / 2;
        (self.compose.unwrap_or_default() * tokens as f64 / 1e6, tokens)
    }
}

/// Tokens of the instructions for it, and of the frame around the claims.
const PROMPT_TOKENS: u64 = 700;

/// The claims that their subtasks bear out, and why others do not count. Numbers, units, names, code and negations of a claim
/// have to stand in the outputs that it cites, or in the words of their subtasks.
pub(super) fn borne_out(claims: Vec<Claim>, sources: &[Source]) -> Composition {
    let mut composition = Composition::default();
    for mut claim in claims {
        let mut seen = BTreeSet::new();
        claim.subtasks.retain(|id| sources.iter().any(|s| s.id == *id) && seen.insert(*id));
        let strange = match claim.subtasks.as_slice() {
            [] => vec!["it names no subtask that made a result".to_owned()],
            _ => strange(&claim, sources),
        };
        if strange.is_empty() {
            composition.claims.push(claim);
        } else {
            composition.problems.push(format!("\"{}\": {}", claim.text, strange.join(", ")));
        }
    }
    composition
}

/// What a claim says that its subtasks do not.
fn strange(claim: &Claim, sources: &[Source]) -> Vec<String> {
    let (text, cited) = (Payload::text(claim.text.as_str()), Payload::text(cited(claim, sources)));
    survives(&text, &cited).missing.into_iter().map(|what| format!("its subtasks do not say {what}")).collect()
}

/// What the subtasks of a claim are and say.
pub(super) fn cited(claim: &Claim, sources: &[Source]) -> String {
    let cited = sources.iter().filter(|s| claim.subtasks.contains(&s.id));
    cited.map(|s| format!("{}\n{}", s.task, s.payload.to_text())).collect::<Vec<_>>().join("\n")
}

/// Leaves what tells outputs in full: of one that the claims tell in part, they tell nothing, so that it stays as it is.
pub(super) fn in_full(mut composition: Composition, sources: &[Source]) -> Composition {
    loop {
        let told = composition.told();
        let in_part = sources.iter().filter(|s| told.contains(&s.id)).find_map(|source| {
            let about = composition.claims.iter().filter(|c| c.subtasks.contains(&source.id));
            let text = about.map(|c| c.text.as_str()).collect::<Vec<_>>().join("\n");
            let loss = survives(&source.payload, &Payload::text(text));
            (!loss.is_none()).then(|| (source.id, loss.missing.join(", ")))
        });
        match in_part {
            Some((id, missing)) => {
                composition.problems.push(format!("the text lacks {missing} of subtask {id}"));
                composition.claims.retain(|c| !c.subtasks.contains(&id));
            }
            // One output in other words is not better than as it is.
            None if told.len() < 2 => {
                if composition.problems.is_empty() {
                    composition.problems.push("it tells fewer than two of the results".into());
                }
                return Composition { claims: Vec::new(), ..composition };
            }
            None => return composition,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(outputs: &[&str]) -> Vec<Source> {
        let source =
            |(id, text): (SubtaskId, &&str)| Source { id, task: format!("do {id}"), payload: Payload::text(*text) };
        (1..).zip(outputs).map(source).collect()
    }

    fn composed(outputs: &[&str], claims: &[(&str, &[SubtaskId])]) -> (Vec<String>, usize) {
        let claim = |(text, ids): &(&str, &[SubtaskId])| Claim { text: (*text).into(), subtasks: ids.to_vec() };
        let sources = sources(outputs);
        let made = in_full(borne_out(claims.iter().map(claim).collect(), &sources), &sources);
        (made.claims.into_iter().map(|c| c.text).collect(), made.problems.len())
    }

    #[test]
    fn claims_stand_by_the_subtasks_that_they_cite() {
        let outputs = ["It is 36 km to Lyon.", "Ann is not at home."];
        let (first, second) = ("Lyon is 36 km away.", "Ann is not at home.");
        let both = vec![first.to_owned(), second.to_owned()];
        assert_eq!(composed(&outputs, &[(first, &[1]), (second, &[2])]), (both.clone(), 0));
        // Unknown numbers are dropped, and one that is left is enough.
        assert_eq!(composed(&outputs, &[(first, &[9, 1, 1]), (second, &[2])]), (both, 0));
        for (wrong, cites) in [
            ("Lyon is 37 km away.", &[1][..]),
            ("Lyon is 36 miles away.", &[1]),
            ("Paris is 36 km away, like Lyon.", &[1]),
            ("Lyon is not 36 km away.", &[1]),
            (first, &[2]),
            (first, &[]),
            (first, &[9]),
        ] {
            let (claims, problems) = composed(&outputs, &[(wrong, cites), (second, &[2])]);
            assert!(claims.is_empty() && problems > 0, "{wrong} {cites:?} {claims:?}");
        }
    }

    #[test]
    fn an_output_is_told_in_full_or_not_at_all() {
        let outputs = ["It is 36 km to Lyon.", "Ann is not at home.", "Bob has 3 cats."];
        let good: [(&str, &[SubtaskId]); 2] = [("Lyon is 36 km away.", &[1]), ("Bob has 3 cats.", &[3])];
        // Without its negation the second would say the contrary.
        let (claims, problems) = composed(&outputs, &[good[0], ("Ann is at home.", &[2]), good[1]]);
        assert_eq!((claims.len(), problems), (2, 1), "{claims:?}");
        // What a sentence shares with an output that is told in part goes with it.
        let (claims, _) = composed(&outputs, &[good[0], ("Ann is at home and Bob has 3 cats.", &[2, 3])]);
        assert!(claims.is_empty(), "{claims:?}");
    }

    #[test]
    fn what_a_reader_needs_verbatim_is_not_told() {
        for payload in [
            Payload::string("fn f() {}", Format::Code("rust".into())),
            Payload::json(serde_json::json!({"a": 1})),
            Payload::string("a,b\n1,2", Format::Csv),
            Payload::text("Use `cargo test`."),
            Payload::text("| a |\n|---|\n| 1 |"),
            Payload::text("x ".repeat(MAX_TOLD)),
        ] {
            assert!(!is_tellable(&payload), "{payload:?}");
        }
        assert!(is_tellable(&Payload::string("36 km", Format::Number)));
    }

    #[test]
    fn sentences_are_joined_as_their_language_has_it() {
        let claim = |text: &str| Claim { text: text.into(), subtasks: vec![1] };
        let text = |claims: &[&str]| {
            Composition { claims: claims.iter().map(|c| claim(c)).collect(), problems: vec![] }.text()
        };
        assert_eq!(text(&["A is 1.", " B is 2. "]), "A is 1. B is 2.");
        assert_eq!(text(&["甲是一。", "乙是二。"]), "甲是一。乙是二。");
    }
}
