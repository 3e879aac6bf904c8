//! The wordings of each tier, so that complexity falls strictly from tier to tier.
//!
//! What was written for one tier is sometimes not easier than the tier before, as a whole: small models do not keep to a reader's
//! level. Each sentence has all the wordings that were found to say the same, from hard to easy; a tier whose own wordings are not
//! in order takes for each sentence the one at the same share of the way from the source to the easiest.

use qsef_score::complexity::{Complexity, complexity};

/// Shares of the way from the source to the easiest wordings.
const SHARES: [f64; 8] = [0.15, 0.25, 0.35, 0.5, 0.65, 0.75, 0.85, 1.0];

/// A text that may be a tier's.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub sentences: Vec<String>,
    pub text: String,
    pub complexity: Complexity,
}

/// Makes a text of a tier's sentences; the number is the tier's.
pub(super) type Assemble<'a> = dyn Fn(usize, &[String]) -> String + 'a;

fn choice(number: usize, sentences: Vec<String>, assemble: &Assemble<'_>) -> Choice {
    let text = assemble(number, &sentences);
    let complexity = complexity(&text);
    Choice { sentences, text, complexity }
}

/// A choice for each tier, the first being the source or, where that is no tier, the first written one; `None` for a tier that cannot
/// be put in order. `drafts` are the tiers' own wordings, `pools` each sentence's wordings from hard to easy.
pub(super) fn ordered(
    drafts: Vec<Vec<String>>,
    pools: &[Vec<String>],
    least_step: f64,
    assemble: &Assemble<'_>,
) -> Vec<Option<Choice>> {
    let own: Vec<Choice> = (0..).zip(drafts).map(|(number, draft)| choice(number, draft, assemble)).collect();
    let is_below = |lower: &Choice, upper: &Choice| {
        lower.complexity.overall() <= upper.complexity.overall() - least_step && lower.text != upper.text
    };
    if own.iter().zip(own.iter().skip(1)).all(|(upper, lower)| is_below(lower, upper)) {
        return own.into_iter().map(Some).collect();
    }
    let last = own.len().saturating_sub(1);
    let mixed = |number: usize| {
        SHARES.iter().map(move |share| {
            // The sentences do not all take the next wording at the same share: there are texts between.
            let at = |(nth, pool): (usize, &Vec<String>)| {
                let ahead = (nth as f64 + 0.5) / pools.len() as f64;
                let place = (share * (pool.len().saturating_sub(1)) as f64 + ahead).floor() as usize;
                pool.get(place).or(pool.last()).cloned().unwrap_or_default()
            };
            choice(number, pools.iter().enumerate().map(at).collect(), assemble)
        })
    };
    let value = |choice: &Choice| choice.complexity.overall();
    let mut own = own.into_iter();
    let Some(first) = own.next() else { return Vec::new() };
    let rest: Vec<Choice> = own.collect();
    // The easiest tier is as easy as it can be, its own wordings first where they are about as easy.
    let easiest = rest.last().cloned().map(|draft| {
        let best = mixed(last).min_by(|a, b| value(a).total_cmp(&value(b)));
        best.filter(|best| value(best) < value(&draft) - least_step).unwrap_or(draft)
    });
    let Some(easiest) = easiest else { return vec![Some(first)] };
    let (top, bottom) = (value(&first), value(&easiest));
    let mut chosen: Vec<Option<Choice>> = vec![Some(first)];
    for (number, draft) in (1..last).zip(rest) {
        let before = chosen.iter().rev().find_map(Option::as_ref).map_or(top, value);
        let target = top - (top - bottom) * number as f64 / last as f64;
        let floor = bottom + least_step * (last - number) as f64;
        let fits = |choice: &Choice| value(choice) <= before - least_step && value(choice) >= floor;
        let choice = if fits(&draft) {
            Some(draft)
        } else {
            let near = |choice: &Choice| (value(choice) - target).abs();
            mixed(number).filter(|choice| fits(choice)).min_by(|a, b| near(a).total_cmp(&near(b)))
        };
        chosen.push(choice);
    }
    let before = chosen.iter().rev().find_map(Option::as_ref);
    let easiest = before.is_some_and(|before| is_below(&easiest, before)).then_some(easiest);
    chosen.push(easiest);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARD: &str = "Although the reservoir had been considerably depleted by the prolonged drought, which authorities had anticipated, restrictions remained unnecessary.";
    const MIDDLE: &str =
        "The reservoir had been considerably depleted by the long drought, but restrictions were not necessary.";
    const EASY: &str = "The dry time took much of the water. But no limits were set.";

    fn assemble(_: usize, sentences: &[String]) -> String {
        sentences.join(" ")
    }

    fn all(text: &str) -> Vec<String> {
        vec![text.to_owned(); 4]
    }

    #[test]
    fn drafts_in_order_stay() {
        let drafts = vec![all(HARD), all(MIDDLE), all(EASY)];
        let chosen = ordered(drafts.clone(), &[], 0.004, &assemble);
        let texts: Vec<Vec<String>> = chosen.into_iter().map(|c| c.unwrap().sentences).collect();
        assert_eq!(texts, drafts);
    }

    #[test]
    fn drafts_out_of_order_are_mixed_into_order() {
        let pools: Vec<Vec<String>> =
            (0..4).map(|_| vec![HARD.to_owned(), MIDDLE.to_owned(), EASY.to_owned()]).collect();
        let chosen = ordered(vec![all(HARD), all(EASY), all(MIDDLE), all(EASY)], &pools, 0.004, &assemble);
        let values: Vec<f64> = chosen.iter().map(|c| c.as_ref().unwrap().complexity.overall()).collect();
        assert!(values.is_sorted_by(|a, b| a > b), "{values:?}");
    }

    #[test]
    fn where_nothing_is_easier_there_is_no_tier() {
        let pools: Vec<Vec<String>> = (0..4).map(|_| vec![HARD.to_owned()]).collect();
        let chosen = ordered(vec![all(HARD), all(HARD), all(HARD)], &pools, 0.004, &assemble);
        assert_eq!(chosen.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    }
}
