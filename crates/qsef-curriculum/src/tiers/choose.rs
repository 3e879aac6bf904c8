//! The wordings of each tier, so that complexity falls strictly from tier to tier.
//!
//! What was written for one tier is sometimes not easier than the tier before, as a whole: small models do not keep to a reader's
//! level. Each sentence has all the wordings that were found to say the same, from hard to easy. Where the tiers' own wordings are not
//! in order, texts of other wordings are laid between the source and the easiest, as evenly as they can be.

use qsef_score::complexity::{Complexity, complexity};

/// Texts that are looked at for a place between two tiers, at most.
const MOST_MIXED: usize = 96;
/// How much of `C_data` a tier's own wordings may be out of their even place before a mixture is better.
const OWN: f64 = 0.02;

/// What it costs, in `C_data`, that a sentence is harder than in the tier before.
const TURNED: f64 = 0.01;

/// A text that may be a tier's.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub sentences: Vec<String>,
    /// Each sentence's place among its wordings, from hard to easy.
    places: Vec<usize>,
    pub text: String,
    pub complexity: Complexity,
}

/// What is chosen from.
pub(super) struct Wordings<'a> {
    /// The tiers' own, the source's first.
    pub drafts: Vec<Vec<String>>,
    /// All of each sentence, from hard to easy.
    pub pools: Vec<Vec<String>>,
    /// By how much complexity falls at least.
    pub least_step: f64,
    /// Makes a text of a tier's sentences, by the tier's place among the drafts.
    pub assemble: &'a dyn Fn(usize, &[String]) -> String,
    /// Whether sentences can be a tier's.
    pub suits: &'a dyn Fn(usize, &[String]) -> bool,
}

impl Wordings<'_> {
    fn choice(&self, number: usize, sentences: Vec<String>) -> Choice {
        let text = (self.assemble)(number, &sentences);
        let complexity = complexity(&text);
        let place = |(text, pool): (&String, &Vec<String>)| pool.iter().position(|of| of == text).unwrap_or(0);
        let places = sentences.iter().zip(&self.pools).map(place).collect();
        Choice { sentences, places, text, complexity }
    }

    fn mixed(&self, number: usize) -> impl Iterator<Item = Choice> {
        mixtures(&self.pools).into_iter().map(move |texts| self.choice(number, texts))
    }
}

/// A choice for each tier, the first being the source or, where that is no tier, the first written one; `None` for a tier that cannot
/// be put in order.
pub(super) fn ordered(wordings: &Wordings<'_>) -> Vec<Option<Choice>> {
    let least_step = wordings.least_step;
    let own: Vec<Choice> =
        (0..).zip(&wordings.drafts).map(|(number, draft)| wordings.choice(number, draft.clone())).collect();
    let is_below = |lower: &Choice, upper: &Choice| {
        lower.complexity.overall() <= upper.complexity.overall() - least_step && lower.text != upper.text
    };
    if own.iter().zip(own.iter().skip(1)).all(|(upper, lower)| is_below(lower, upper)) {
        return own.into_iter().map(Some).collect();
    }
    let last = own.len().saturating_sub(1);
    let value = |choice: &Choice| choice.complexity.overall();
    let mut own = own.into_iter();
    let Some(first) = own.next() else { return Vec::new() };
    let mut rest: Vec<Choice> = own.collect();
    // The easiest tier is as easy as it can be, its own wordings first where they are about as easy.
    let Some(draft) = rest.pop() else { return vec![Some(first)] };
    let best = wordings.mixed(last).min_by(|a, b| value(a).total_cmp(&value(b)));
    let easiest = best.filter(|best| value(best) < value(&draft) - least_step).unwrap_or(draft);
    let (top, bottom) = (value(&first), value(&easiest));
    let offers: Vec<Vec<(f64, Choice)>> = (1..last)
        .zip(rest)
        .map(|(number, draft)| {
            let target = top - (top - bottom) * number as f64 / last as f64;
            let off = |choice: &Choice| {
                let unfit = f64::from(u8::from(!(wordings.suits)(number, &choice.sentences)));
                unfit + (value(choice) - target).abs()
            };
            let own = ((off(&draft) - OWN).max(0.0), draft);
            let mut offers: Vec<(f64, Choice)> = wordings.mixed(number).map(|choice| (off(&choice), choice)).collect();
            offers.insert(0, own);
            offers
        })
        .collect();
    let mut chosen = vec![Some(first)];
    chosen.extend(descent(offers, top, bottom, least_step));
    let before = chosen.iter().rev().find_map(Option::as_ref);
    let easiest = before.is_some_and(|before| is_below(&easiest, before)).then_some(easiest);
    chosen.push(easiest);
    chosen
}

/// Texts with other wordings for some of the sentences: all of them where they are few, else some from all over.
fn mixtures(pools: &[Vec<String>]) -> Vec<Vec<String>> {
    let all = pools.iter().fold(1usize, |all, pool| all.saturating_mul(pool.len().max(1)));
    let count = all.min(MOST_MIXED);
    (0..count)
        .map(|nth| {
            // The numbers of the wordings are the digits of a number; those that are taken lie evenly between the first and the last.
            let mut number = (all as u128 - 1) * nth as u128 / (count as u128 - 1).max(1);
            let pick = |pool: &Vec<String>| {
                let of = pool.len().max(1) as u128;
                let digit = (number % of) as usize;
                number /= of;
                pool.get(digit).cloned().unwrap_or_default()
            };
            pools.iter().map(pick).collect()
        })
        .collect()
}

/// One offer of each list, so that their complexities fall by steps from `top` to `bottom`, at the least cost in all; a list of which
/// none fits is left out, the last ones first.
fn descent(mut offers: Vec<Vec<(f64, Choice)>>, top: f64, bottom: f64, step: f64) -> Vec<Option<Choice>> {
    let count = offers.len();
    while !offers.is_empty() {
        // The cheapest way to each offer of the list before, as (cost, place in its list).
        let mut ways: Vec<Vec<Option<(f64, usize)>>> = Vec::new();
        for (nth, list) in offers.iter().enumerate() {
            let reach = |of: &(f64, Choice)| {
                let value = of.1.complexity.overall();
                let Some(before) = nth.checked_sub(1) else {
                    return (value <= top - step).then_some((of.0, 0));
                };
                let known = ways.get(before)?.iter().zip(offers.get(before)?).enumerate();
                let fitting = known.filter_map(|(place, (way, upper))| {
                    let fits = value <= upper.1.complexity.overall() - step && of.1.text != upper.1.text;
                    let turned = upper.1.places.iter().zip(&of.1.places).filter(|(upper, lower)| lower < upper).count();
                    (*way).filter(|_| fits).map(|(cost, _)| (cost + of.0 + TURNED * turned as f64, place))
                });
                fitting.min_by(|a, b| a.0.total_cmp(&b.0))
            };
            ways.push(list.iter().map(reach).collect());
        }
        let ends = ways.last().into_iter().flatten().zip(offers.last().into_iter().flatten()).enumerate();
        let fitting = ends.filter(|(_, (_, of))| of.1.complexity.overall() >= bottom + step);
        let end = fitting.filter_map(|(place, (way, _))| Some((way.as_ref()?.0, place)));
        if let Some((_, mut place)) = end.min_by(|a, b| a.0.total_cmp(&b.0)) {
            let mut taken = Vec::new();
            for (list, ways) in offers.into_iter().zip(&ways).rev() {
                taken.push(list.into_iter().nth(place).map(|(_, choice)| choice));
                place = ways.get(place).copied().flatten().map_or(0, |(_, before)| before);
            }
            taken.reverse();
            taken.resize(count, None);
            return taken;
        }
        offers.pop();
    }
    vec![None; count]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARD: &str = "Although the reservoir had been considerably depleted by the prolonged drought, which authorities had anticipated, restrictions remained unnecessary.";
    const MIDDLE: &str =
        "The reservoir had been considerably depleted by the long drought, but restrictions were not necessary.";
    const EASY: &str = "The dry time took much of the water. But no limits were set.";

    fn of(drafts: Vec<Vec<String>>, pools: Vec<Vec<String>>) -> Vec<Option<Choice>> {
        let assemble = |_: usize, sentences: &[String]| sentences.join(" ");
        ordered(&Wordings { drafts, pools, least_step: 0.004, assemble: &assemble, suits: &|_, _| true })
    }

    fn all(text: &str) -> Vec<String> {
        vec![text.to_owned(); 4]
    }

    #[test]
    fn drafts_in_order_stay() {
        let drafts = vec![all(HARD), all(MIDDLE), all(EASY)];
        let chosen = of(drafts.clone(), Vec::new());
        let texts: Vec<Vec<String>> = chosen.into_iter().map(|c| c.unwrap().sentences).collect();
        assert_eq!(texts, drafts);
    }

    #[test]
    fn drafts_out_of_order_are_mixed_into_order() {
        let pools: Vec<Vec<String>> =
            (0..4).map(|_| vec![HARD.to_owned(), MIDDLE.to_owned(), EASY.to_owned()]).collect();
        let chosen = of(vec![all(HARD), all(EASY), all(MIDDLE), all(EASY)], pools);
        let chosen: Vec<&Choice> = chosen.iter().map(|choice| choice.as_ref().unwrap()).collect();
        assert!(chosen.is_sorted_by(|a, b| a.complexity.overall() > b.complexity.overall()), "{chosen:?}");
        // No sentence gets harder.
        let eases = |a: &&Choice, b: &&Choice| a.places.iter().zip(&b.places).all(|(a, b)| a <= b);
        assert!(chosen.is_sorted_by(eases), "{chosen:?}");
    }

    #[test]
    fn where_nothing_is_easier_there_is_no_tier() {
        let pools: Vec<Vec<String>> = (0..4).map(|_| vec![HARD.to_owned()]).collect();
        let chosen = of(vec![all(HARD), all(HARD), all(HARD)], pools);
        assert_eq!(chosen.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    }
}
