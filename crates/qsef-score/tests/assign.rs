//! The assignment against brute force, and against what users may put in.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)] // helpers of tests are test code

use proptest::prelude::*;
use qsef_score::choose::{AssignError, Assignment, Limits, Offer, Resource, Slot, assign, assign_within};

fn totals(slots: &[Slot], chosen: &[usize]) -> (f64, u64, f64) {
    let offers: Vec<&Offer> = slots.iter().zip(chosen).map(|(s, c)| &s.offers[*c]).collect();
    fn end(slots: &[Slot], offers: &[&Offer], i: usize) -> f64 {
        offers[i].seconds + slots[i].after.iter().map(|b| end(slots, offers, *b)).fold(0.0, f64::max)
    }
    let seconds = (0..slots.len()).map(|i| end(slots, &offers, i)).fold(0.0, f64::max);
    (offers.iter().map(|o| o.usd).sum(), offers.iter().map(|o| o.tokens).sum(), seconds)
}

fn objective(slots: &[Slot], chosen: &[usize], lambda: f64) -> f64 {
    let offers = slots.iter().zip(chosen).map(|(s, c)| (s.value, &s.offers[*c]));
    offers.map(|(value, o)| value * o.te - lambda * o.usd).sum()
}

fn within(slots: &[Slot], chosen: &[usize], limits: &Limits) -> bool {
    let (usd, tokens, seconds) = totals(slots, chosen);
    limits.usd.is_none_or(|l| usd <= l * (1.0 + 2e-9))
        && limits.tokens.is_none_or(|l| tokens <= l)
        && limits.seconds.is_none_or(|l| seconds <= l * (1.0 + 2e-9))
}

/// Every assignment.
fn all(slots: &[Slot]) -> Vec<Vec<usize>> {
    slots.iter().fold(vec![vec![]], |found, slot| {
        found.iter().flat_map(|f| (0..slot.offers.len()).map(move |o| [f.as_slice(), &[o]].concat())).collect()
    })
}

fn brute(slots: &[Slot], limits: &Limits, lambda: f64) -> Option<f64> {
    let feasible = all(slots).into_iter().filter(|c| within(slots, c, limits));
    feasible.map(|c| objective(slots, &c, lambda)).reduce(f64::max)
}

/// Amounts from a coarse grid, so that ties and exactly used budgets occur.
fn offer() -> impl Strategy<Value = Offer> {
    (0u32..=10, 0u32..=8, 0u64..=8, 0u32..=8).prop_map(|(te, usd, tokens, seconds)| Offer {
        te: f64::from(te) / 10.0,
        usd: f64::from(usd) / 10.0,
        tokens,
        seconds: f64::from(seconds) / 10.0,
    })
}

prop_compose! {
    fn plan(most: usize, offers: usize)(slots in prop::collection::vec(
        (0u32..=3, prop::collection::vec(offer(), 1..=offers), prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 0..=most,
    )) -> Vec<Slot> {
        slots.into_iter().enumerate().map(|(i, (value, offers, after))| Slot {
            value: f64::from(value),
            offers,
            after: if i == 0 { vec![] } else { after.iter().map(|a| a.index(i)).collect() },
        }).collect()
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    (prop::option::of(0u32..25), prop::option::of(0u64..25), prop::option::of(0u32..20)).prop_map(
        |(usd, tokens, seconds)| Limits {
            usd: usd.map(|x| f64::from(x) / 10.0),
            tokens,
            seconds: seconds.map(|x| f64::from(x) / 10.0),
        },
    )
}

/// Reverses the slots, and the offers of each.
fn reversed(slots: &[Slot]) -> Vec<Slot> {
    let last = slots.len().saturating_sub(1);
    let turn = |s: &Slot| Slot {
        value: s.value,
        offers: s.offers.iter().rev().copied().collect(),
        after: s.after.iter().rev().map(|b| last - b).collect(),
    };
    slots.iter().rev().map(turn).collect()
}

fn agrees(found: &Assignment, slots: &[Slot], limits: &Limits, lambda: f64) -> Result<(), TestCaseError> {
    prop_assert!(within(slots, &found.chosen, limits), "over a budget: {found:?}");
    let (usd, tokens, seconds) = totals(slots, &found.chosen);
    prop_assert!((found.usd - usd).abs() < 1e-9 && found.tokens == tokens && (found.seconds - seconds).abs() < 1e-9);
    prop_assert!((found.objective - objective(slots, &found.chosen, lambda)).abs() < 1e-9);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn exact_equals_brute_force_in_any_order(slots in plan(5, 5), limits in limits(), lambda in 0.0..2.0f64) {
        let best = brute(&slots, &limits, lambda);
        for slots in [slots.clone(), reversed(&slots)] {
            match assign(&slots, limits, lambda) {
                Ok(found) => {
                    agrees(&found, &slots, &limits, lambda)?;
                    prop_assert_eq!(found.gap, 0.0);
                    prop_assert!((found.objective - best.unwrap()).abs() < 1e-9, "{found:?}, but best {best:?}");
                }
                Err(error) => {
                    prop_assert_eq!(best, None, "{}", error);
                    let AssignError::Infeasible { resource, limit, least, .. } = error else { panic!("{error}") };
                    prop_assert!(least > limit);
                    // With what it says is needed, and with the budgets before that one, the plan can be done.
                    let enough = match resource {
                        Resource::Usd => Limits { usd: Some(least), ..Limits::default() },
                        Resource::Tokens => Limits { tokens: Some(least as u64), seconds: None, ..limits },
                        Resource::Seconds => Limits { seconds: Some(least), ..limits },
                    };
                    let alone = Limits {
                        usd: enough.usd.filter(|_| resource == Resource::Usd),
                        tokens: enough.tokens.filter(|_| resource == Resource::Tokens),
                        seconds: enough.seconds.filter(|_| resource == Resource::Seconds),
                    };
                    prop_assert!(assign(&slots, alone, lambda).is_ok());
                    if let Err(AssignError::Infeasible { alone: false, .. }) = assign(&slots, limits, lambda) {
                        prop_assert!(assign(&slots, enough, lambda).is_ok());
                    }
                }
            }
        }
    }

    #[test]
    fn relaxation_is_within_its_gap(slots in plan(5, 5), limits in limits(), lambda in 0.0..2.0f64) {
        if let Ok(found) = assign_within(&slots, limits, lambda, 0) {
            agrees(&found, &slots, &limits, lambda)?;
            let best = brute(&slots, &limits, lambda).unwrap();
            prop_assert!(found.objective <= best + 1e-9 && best <= found.objective + found.gap + 1e-9, "{found:?}, best {best}");
        }
    }

    #[test]
    fn no_number_makes_it_panic(
        numbers in prop::collection::vec(prop_oneof![any::<f64>(), 0.0..1.0f64], 12), tokens in any::<u64>(), cap in any::<Option<u64>>(),
        after in prop::collection::vec(0usize..3, 0..3),
    ) {
        let offer = |n: &[f64]| Offer { te: n[0], usd: n[1], tokens, seconds: n[2] };
        let slots = [
            Slot { value: numbers[6], offers: vec![offer(&numbers), offer(&numbers[3..])], after: after.clone() },
            Slot { value: numbers[7], offers: vec![offer(&numbers[1..])], after },
        ];
        let limits = Limits { usd: Some(numbers[8]), tokens: cap, seconds: Some(numbers[9]) };
        let _ = assign(&slots, limits, numbers[10]);
        let _ = assign(&slots, Limits::default(), 1.0);
    }
}

fn slot(offers: &[(f64, f64, u64, f64)], after: &[usize]) -> Slot {
    let offers = offers.iter().map(|&(te, usd, tokens, seconds)| Offer { te, usd, tokens, seconds }).collect();
    Slot { value: 1.0, offers, after: after.into() }
}

fn message(slots: &[Slot], limits: Limits) -> String {
    assign(slots, limits, 0.0).unwrap_err().to_string()
}

#[test]
fn parallel_subtasks_share_the_deadline() {
    let two = [(0.9, 0.0, 0, 2.0), (0.5, 0.0, 0, 1.0)];
    let limits = Limits { seconds: Some(3.0), ..Limits::default() };
    let chain = assign(&[slot(&two, &[]), slot(&two, &[0]), slot(&two[1..], &[])], limits, 0.0).unwrap();
    assert_eq!((chain.seconds, chain.objective), (3.0, 0.9 + 0.5 + 0.5));
    let parallel = assign(&[slot(&two, &[]), slot(&two, &[])], limits, 0.0).unwrap();
    assert_eq!((parallel.chosen, parallel.seconds), (vec![0, 0], 2.0));
}

#[test]
fn budgets_bind_up_to_rounding() {
    let three = vec![slot(&[(0.9, 0.1, 7, 1.0), (0.1, 0.0, 0, 0.0)], &[]); 3];
    let found = assign(&three, Limits { usd: Some(0.3), ..Limits::default() }, 0.0).unwrap();
    assert_eq!(found.chosen, [0, 0, 0]);
    let found = assign(&three, Limits { tokens: Some(20), ..Limits::default() }, 0.0).unwrap();
    assert_eq!(found.tokens, 14);
    let free = assign(&three, Limits { usd: Some(0.0), ..Limits::default() }, 0.0).unwrap();
    assert_eq!(free.chosen, [1, 1, 1]);
    let endless = Limits { usd: Some(f64::INFINITY), seconds: Some(f64::INFINITY), ..Limits::default() };
    assert_eq!(assign(&three, endless, 0.0).unwrap().chosen, [0, 0, 0]);
    // A dollar that is worth more than the success it buys is not spent.
    assert_eq!(assign(&three, Limits::default(), 10.0).unwrap().chosen, [1, 1, 1]);
}

#[test]
fn ties_go_to_the_cheaper_then_the_first() {
    let tied = slot(&[(0.5, 0.2, 1, 1.0), (0.5, 0.1, 1, 1.0), (0.5, 0.1, 1, 1.0)], &[]);
    assert_eq!(assign(&[tied], Limits::default(), 0.0).unwrap().chosen, [1]);
}

#[test]
fn empty_and_impossible_plans_say_so() {
    let none = assign(&[], Limits { usd: Some(0.0), ..Limits::default() }, 1.0).unwrap();
    assert_eq!((none.chosen.len(), none.objective, none.gap), (0, 0.0, 0.0));
    assert!(message(&[slot(&[], &[])], Limits::default()).contains("subtask 1 has no offers"));

    let one = [slot(&[(0.9, 0.02, 500, 3.0)], &[]), slot(&[(0.9, 0.01, 500, 3.0)], &[0])];
    let text = message(&one, Limits { usd: Some(0.025), ..Limits::default() });
    assert_eq!(
        text,
        "the money budget of 0.025 US dollars is too small: even the cheapest experts for this plan need 0.03 US dollars"
    );
    let text = message(&one, Limits { seconds: Some(5.5), ..Limits::default() });
    assert!(text.contains("deadline of 5.5 s") && text.contains("need 6 s"), "{text}");
    let text = message(&one, Limits { tokens: Some(999), ..Limits::default() });
    assert!(text.contains("token budget of 999 tokens") && text.contains("1000 tokens"), "{text}");

    // Cheap is slow and fast is dear: each budget can be kept, both cannot.
    let torn = [slot(&[(0.9, 0.1, 1, 9.0), (0.9, 0.9, 1, 1.0)], &[])];
    let text = message(&torn, Limits { usd: Some(0.5), seconds: Some(5.0), ..Limits::default() });
    assert_eq!(text, "the deadline of 5 s is too small: within the other budgets this plan needs at least 9 s");
}

#[test]
fn senseless_numbers_are_input_errors() {
    let good = || slot(&[(0.5, 0.1, 1, 1.0)], &[]);
    let limit = |x| Limits { usd: Some(x), ..Limits::default() };
    assert!(message(&[good()], limit(-1.0)).contains("money budget is -1"));
    assert!(message(&[good()], limit(f64::NAN)).contains("NaN"));
    assert!(message(&[good()], Limits { seconds: Some(-0.1), ..Limits::default() }).contains("deadline"));
    for (i, bad) in [(1.5, 0.1, 1, 1.0), (f64::NAN, 0.1, 1, 1.0), (0.5, -0.1, 1, 1.0), (0.5, 0.1, 1, f64::INFINITY)]
        .iter()
        .enumerate()
    {
        let text = message(&[good(), slot(&[good_tuple(), *bad], &[])], Limits::default());
        assert!(text.contains("offer 2 of subtask 2"), "{i}: {text}");
    }
    assert!(matches!(assign(&[good()], Limits::default(), f64::NAN), Err(AssignError::Input(_))));
    assert!(message(&[slot(&[good_tuple()], &[0])], Limits::default()).contains("cycle"));
    assert!(message(&[slot(&[good_tuple()], &[7])], Limits::default()).contains("subtask 8"));
    let error: qsef_core::Error = assign(&[slot(&[], &[])], Limits::default(), 0.0).unwrap_err().into();
    assert!(matches!(error, qsef_core::Error::Input(_)));
    let error: qsef_core::Error = assign(&[good()], limit(0.0), 0.0).unwrap_err().into();
    assert!(matches!(error, qsef_core::Error::Budget(_)));
}

fn good_tuple() -> (f64, f64, u64, f64) {
    (0.5, 0.1, 1, 1.0)
}
