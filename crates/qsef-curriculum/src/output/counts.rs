//! How many there are of what: the manifest's `counts`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Job, Stage, TierPoint, rows::Teacher};
use crate::item::{Pair, Rejected, Row};

pub(super) fn counts(
    job: &Job<'_>,
    rows: &[Row],
    stages: &[Stage<'_>],
    pairs: &[Pair],
    rejected: &[Rejected],
    teacher: &Teacher<'_>,
) -> Value {
    let items = job.items.len();
    let accepted = job.items.iter().filter(|item| item.accepted).count();
    let by_tier: Map<String, Value> = job
        .tiers
        .iter()
        .map(|tier| (tier.name.clone(), rows.iter().filter(|row| row.tier == tier.name).count().into()))
        .collect();
    let by_stage: Map<String, Value> = stages.iter().map(|stage| (stage.file(), stage.rows.len().into())).collect();
    let attempts: u64 = job.items.iter().map(|item| u64::from(item.attempts)).sum();
    json!({
        "items": items,
        "accepted": accepted,
        "rejected": items - accepted,
        "strictly_ordered": job.items.iter().filter(|item| item.strictly_ordered).count(),
        "attempts": attempts,
        "rows": rows.len(),
        "rows_by_tier": by_tier,
        "rows_by_stage": by_stage,
        "rows_by_language": tally(rows.iter().map(|row| row.language.code().to_owned())),
        "pairs": pairs.len(),
        "teacher": teacher.rows.len(),
        "teacher_left_out": teacher.left_out,
        "left_out": {
            "by_step": tally(rejected.iter().map(|left| left.step.name().to_owned())),
            "by_reason": tally(rejected.iter().map(|left| reason_kind(&left.reason))),
        },
        "pareto": pareto(job),
        "cost": {
            "requests": job.cost.requests,
            "prompt_tokens": job.cost.prompt_tokens,
            "completion_tokens": job.cost.completion_tokens,
            "usd": job.cost.usd,
        },
    })
}

fn tally(names: impl Iterator<Item = String>) -> Value {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    json!(counts)
}

/// A reason without what differs from item to item: numbers, quoted words, and what follows a colon or stands in brackets.
pub(super) fn reason_kind(reason: &str) -> String {
    let end = reason.find(['(', ':', '（', '：', ';']).unwrap_or(reason.len());
    let mut kind = String::new();
    let (mut quote, mut in_number) = (None, false);
    for c in reason.get(..end).unwrap_or(reason).trim().chars() {
        match quote {
            Some(closing) if c == closing => quote = None,
            Some(_) => continue,
            None => match c {
                '`' | '"' => quote = Some(c),
                '“' => quote = Some('”'),
                '「' => quote = Some('」'),
                _ => {}
            },
        }
        let is_number = c.is_ascii_digit() || (in_number && matches!(c, '.' | ',' | '%'));
        match (is_number, in_number, quote) {
            (true, true, _) => {}
            (true, false, _) => kind.push('…'),
            (_, _, Some(_)) => kind.extend([c, '…']),
            _ => kind.push(c),
        }
        in_number = is_number;
    }
    kind
}

/// The points of one tier of all items.
pub(super) fn points<'a>(job: &'a Job<'_>, tier: &'a str) -> impl Iterator<Item = (&'a str, &'a TierPoint)> + Clone {
    let of_item = move |item: &'a super::ItemInfo| item.tiers.iter().map(|point| (item.id.as_str(), point));
    job.items.iter().flat_map(of_item).filter(move |(_, point)| point.name == tier)
}

/// The middle value, of an even number of them the mean of both; none of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((lower + upper) / 2.0)
}

fn pareto(job: &Job<'_>) -> Value {
    let of_tier = |tier: &super::TierInfo| {
        let points = || points(job, &tier.name).map(|(_, point)| point);
        let figures = json!({
            "written": points().count(),
            "frontier": points().filter(|point| point.frontier).count(),
            "suits": points().filter(|point| point.suits).count(),
            "median_complexity": median(points().map(|point| point.complexity)),
            "median_distance": median(points().map(|point| point.distance)),
            "median_te": median(points().map(|point| point.te)),
        });
        (tier.name.clone(), figures)
    };
    Value::Object(job.tiers.iter().map(of_tier).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_one_kind_are_alike() {
        let kinds =
            ["12 of 20 sentences could not be reworded: too long", "3 of 7 sentences could not be reworded: 12 words"]
                .map(reason_kind);
        assert_eq!(kinds, ["… of … sentences could not be reworded"; 2]);
        assert_eq!(reason_kind("at the level of `layperson`, 85.5% (0.1)"), "at the level of `…`, …");
        assert_eq!(reason_kind("与“光合作用”重复：第3行"), "与“…”重复");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, f64::NAN, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
