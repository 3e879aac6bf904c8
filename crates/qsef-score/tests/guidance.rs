//! What the score advises: simplification, sampling weights, stages.

use proptest::prelude::*;
use qsef_core::Error;
use qsef_score::{
    Part, SamplingOptions, Score, Share, Simplification, Term, Weights, resisting, simplification,
    transmission_efficiency,
};

/// A score of the default profile weights, as the scorer makes them: `size` is `C_data` times the expert's load.
fn score(data: f64, load: f64, others: [f64; 6]) -> Score {
    let [description, examples, centre, graph, lexical, concepts] = others;
    let value = |term| match term {
        Term::Data => data,
        Term::Size => data * load,
        Term::Description => description,
        Term::Examples => examples,
        Term::Centre => centre,
        Term::Graph => graph,
        Term::Lexical => lexical,
        Term::Concepts => concepts,
        _ => 0.0,
    };
    let weights = Weights::default().profile;
    let share = |term| Share { term, value: value(term), weight: weights.get(term) };
    let terms: Vec<Share> = Term::ALL.into_iter().map(share).filter(|s| s.weight > 0.0).collect();
    let te = (-terms.iter().map(|s| s.weight * s.value).sum::<f64>()).exp();
    let zero = 0.0;
    Score {
        expert: "e".into(),
        te,
        distance: zero,
        resistance: zero,
        data,
        model: zero,
        sparsity: zero,
        k1: 3.0,
        k2: 2.4,
        terms,
        seen: 0,
        seconds: None,
    }
}

fn easy() -> [f64; 6] {
    [0.1; 6]
}

proptest! {
    #[test]
    fn the_complexity_that_is_advised_gives_the_goal(
        data in 0.0..=1.0f64, load in 0.0..=1.0f64, others in prop::array::uniform6(0.0..=1.0f64), goal in 0.001..=1.0f64,
    ) {
        let before = score(data, load, others);
        match simplification(&before, goal).unwrap() {
            Simplification::NotNeeded => prop_assert!(before.te >= goal - 1e-12),
            Simplification::To { data: needed, reduction } => {
                prop_assert!(needed >= 0.0 && needed < data && reduction > 0.0 && reduction <= 1.0);
                prop_assert!((needed - data * (1.0 - reduction)).abs() < 1e-12);
                prop_assert!((score(needed, load, others).te - goal).abs() < 1e-9);
            }
            Simplification::Impossible { obstacle, reachable } => {
                prop_assert!(reachable < goal && obstacle != Part::Data);
                prop_assert!((score(0.0, load, others).te - reachable).abs() < 1e-9);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn weights_sum_to_one_and_grow_with_resistance_as_stages_do(
        data in prop::collection::vec(0.0..=1.0f64, 1..60), temperature in 0.001..100.0f64, stages in 1usize..9,
    ) {
        let samples: Vec<_> = data.iter().enumerate().map(|(i, d)| (i.to_string(), score(*d, 0.5, easy()))).collect();
        let found = resisting(&samples, &SamplingOptions { temperature, stages }).unwrap();
        prop_assert!((found.iter().map(|r| r.weight).sum::<f64>() - 1.0).abs() < 1e-9);
        for pair in found.windows(2) {
            prop_assert!(pair[0].resistance >= pair[1].resistance);
            prop_assert!(pair[0].weight >= pair[1].weight && pair[0].stage >= pair[1].stage);
        }
        prop_assert!(found.iter().all(|r| r.stage < stages && r.weight.is_finite()));
        prop_assert_eq!(found.last().map(|r| r.stage), Some(0));
        let ratio = found[0].weight / found[found.len() - 1].weight;
        let expected = ((found[0].resistance - found[found.len() - 1].resistance) / temperature).exp();
        prop_assert!(!ratio.is_finite() || (ratio / expected - 1.0).abs() < 1e-6);
        // The order in which samples come does not matter.
        let reversed: Vec<_> = samples.iter().rev().cloned().collect();
        prop_assert_eq!(resisting(&reversed, &SamplingOptions { temperature, stages }).unwrap(), found);
    }
}

#[test]
fn what_stands_in_the_way_is_named() {
    let obstacle = |others| match simplification(&score(0.5, 0.5, others), 0.99).unwrap() {
        Simplification::Impossible { obstacle, .. } => obstacle,
        other => panic!("{other:?}"),
    };
    assert_eq!(obstacle([0.9, 0.9, 0.9, 0.9, 0.1, 0.1]), Part::Distance);
    assert_eq!(obstacle([0.1, 0.1, 0.1, 0.1, 0.9, 0.9]), Part::Sparsity);
    let mut unlucky = score(0.5, 0.5, easy());
    unlucky.terms.push(Share { term: Term::Neighbours, value: 0.9, weight: 2.0 });
    assert!(matches!(simplification(&unlucky, 0.9).unwrap(), Simplification::Impossible { obstacle: Part::Model, .. }));
}

#[test]
fn stages_are_quantiles_and_equal_samples_share_one() {
    let samples: Vec<_> = (0..8).map(|i| (format!("s{i}"), score(f64::from(i) / 8.0, 0.5, easy()))).collect();
    let found = resisting(&samples, &SamplingOptions::default()).unwrap();
    assert_eq!(found.iter().map(|r| r.stage).collect::<Vec<_>>(), [3, 3, 2, 2, 1, 1, 0, 0]);
    assert_eq!((found[0].sample.as_str(), found[7].sample.as_str()), ("s7", "s0"));
    let equal: Vec<_> = (0..5).map(|i| (format!("s{i}"), score(0.5, 0.5, easy()))).collect();
    let found = resisting(&equal, &SamplingOptions::default()).unwrap();
    assert!(found.iter().all(|r| r.stage == 0 && (r.weight - 0.2).abs() < 1e-12));
}

#[test]
fn hopeless_samples_are_still_told_apart() {
    // Their TE is at the end of its range; their terms are not.
    let hopeless = |extra| {
        let mut s = score(0.5, 0.5, easy());
        s.terms.push(Share { term: Term::Neighbours, value: 1.0, weight: 1000.0 + extra });
        s.te = transmission_efficiency(0.0, 0.0, 1000.0 + extra, 1.0);
        s
    };
    let found = resisting(&[("a", hopeless(0.0)), ("b", hopeless(1.0))], &SamplingOptions::default()).unwrap();
    assert_eq!(found[0].sample, "b");
    assert!((found[0].weight / found[1].weight - 1f64.exp()).abs() < 1e-9);
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let message = |result: qsef_core::Result<_>| match result {
        Err(Error::Input(message)) => message,
        other => panic!("{other:?}"),
    };
    for goal in [0.0, -0.5, 1.1, f64::NAN, f64::INFINITY] {
        let refused = simplification(&score(0.5, 0.5, easy()), goal).map(|_| ());
        assert!(message(refused).contains("(0, 1]"));
    }
    let refuse = |samples: &[(&str, Score)], temperature, stages| {
        message(resisting(samples, &SamplingOptions { temperature, stages }).map(|_| ()))
    };
    let one = [("odd", score(0.5, 0.5, easy()))];
    assert!(refuse(&[], 1.0, 4).contains("no sample"));
    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(refuse(&one, temperature, 4).contains("temperature"));
    }
    assert!(refuse(&one, 1.0, 0).contains("stage"));
    let mut broken = one;
    broken[0].1.terms[0].value = f64::NAN;
    let told = refuse(&broken, 1.0, 4);
    assert!(told.contains("`odd`") && told.contains("description"), "{told}");
    assert!(simplification(&broken[0].1, 0.5).is_err());
}

#[test]
fn advice_survives_json() {
    for goal in [0.1, 0.6, 0.99] {
        let advice = simplification(&score(0.9, 1.0, easy()), goal).unwrap();
        let json = serde_json::to_string(&advice).unwrap();
        assert_eq!(serde_json::from_str::<Simplification>(&json).unwrap(), advice, "{json}");
    }
}
