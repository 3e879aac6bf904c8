//! How many there are of what: the manifest's `counts`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Collected, ItemInfo, Job, Stage, Summary, TierInfo, TierPoint};

pub(super) fn counts(job: &Job<'_>, collected: &Collected, stages: &[Stage<'_>], summary: &Summary) -> Value {
    let Collected { items, tally, cost, .. } = collected;
    let by_tier: Map<String, Value> =
        job.tiers.iter().map(|tier| (tier.name.clone(), tally.of_tier(&tier.name).into())).collect();
    let by_stage: Map<String, Value> = stages.iter().map(|stage| (stage.file(), stage.places.len().into())).collect();
    let attempts: u64 = items.iter().map(|item| u64::from(item.attempts)).sum();
    let (mut by_step, mut by_reason) = (BTreeMap::<&str, usize>::new(), BTreeMap::<&str, usize>::new());
    for ((step, reason), count) in &tally.left_out {
        *by_step.entry(step.name()).or_default() += count;
        *by_reason.entry(reason).or_default() += count;
    }
    json!({
        "items": summary.items,
        "accepted": summary.accepted,
        "rejected": summary.rejected,
        "strictly_ordered": items.iter().filter(|item| item.strictly_ordered).count(),
        "attempts": attempts,
        "rows": summary.tiers,
        "rows_by_tier": by_tier,
        "rows_by_stage": by_stage,
        "rows_by_language": tally.languages,
        "pairs": collected.pairs.len(),
        "teacher": collected.teacher.len(),
        "teacher_left_out": tally.teacher_left_out,
        "left_out": {"by_step": by_step, "by_reason": by_reason},
        "pareto": pareto(job.tiers, items),
        "cost": {
            "requests": cost.requests,
            "prompt_tokens": cost.prompt_tokens,
            "completion_tokens": cost.completion_tokens,
            "usd": cost.usd,
        },
    })
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
pub(super) fn points<'a>(items: &'a [ItemInfo], tier: &'a str) -> impl Iterator<Item = &'a TierPoint> + Clone {
    items.iter().flat_map(|item| &item.tiers).filter(move |point| point.name == tier)
}

/// The middle value, of an even number of them the mean of both; none of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (lower, upper) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((lower + upper) / 2.0)
}

fn pareto(tiers: &[TierInfo], items: &[ItemInfo]) -> Value {
    let of_tier = |tier: &TierInfo| {
        let points = || points(items, &tier.name);
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
    Value::Object(tiers.iter().map(of_tier).collect())
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
