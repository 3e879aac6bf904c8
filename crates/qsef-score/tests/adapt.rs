//! The bandit's promises, through its public face.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)] // helpers of tests are test code

use proptest::prelude::*;
use qsef_score::adapt::{Bandit, Candidate, Rule, Settings};

fn candidate(expert: &str, te: f64) -> Candidate<'_> {
    Candidate { expert, te, usd: 0.0 }
}

fn thompson() -> Settings {
    Settings { rule: Rule::Thompson, ..Settings::default() }
}

fn bandit(settings: Settings, experts: &[&str]) -> Bandit {
    let mut bandit = Bandit::new(settings, 1).unwrap();
    experts.iter().for_each(|e| bandit.add(e, 0));
    bandit
}

#[test]
fn without_outcomes_the_mean_is_te_and_on_one_te_it_is_the_posterior() {
    let settings = Settings { gamma: 1.0, alarm: None, ..Settings::default() };
    let mut bandit = bandit(settings, &["a"]);
    assert!((bandit.mean("a", 0.3).unwrap() - 0.3).abs() < 1e-12);
    for outcome in [1.0, 1.0, 0.0, 1.0] {
        bandit.observe("a", 0.3, outcome).unwrap();
    }
    let k = settings.prior;
    assert!((bandit.mean("a", 0.3).unwrap() - (3.0 + k * 0.3) / (4.0 + k)).abs() < 1e-12);
    // What was learnt at one TE holds in the same direction at another.
    assert!(bandit.mean("a", 0.6).unwrap() > 0.6);
    assert_eq!(bandit.mean("b", 0.6), None);
    assert_eq!(bandit.mean("a", f64::NAN), None);
}

#[test]
fn forced_trials_happen_as_documented() {
    let mut bandit = bandit(Settings { trial_te: 0.3, trial_usd: 0.01, ..Settings::default() }, &["old"]);
    bandit.add("new", 2);
    let choose = |bandit: &mut Bandit, te: f64, usd: f64| {
        let candidates = [candidate("old", 0.99), Candidate { expert: "new", te, usd }];
        candidates[bandit.choose(&candidates, 1.0).unwrap()].expert
    };
    // Too little TE, too dear: no trial, and none is used up.
    assert_eq!(choose(&mut bandit, 0.29, 0.0), "old");
    assert_eq!(choose(&mut bandit, 0.3, 0.011), "old");
    assert_eq!(choose(&mut bandit, 0.3, 0.01), "new");
    assert_eq!(choose(&mut bandit, 0.3, 0.0), "new");
    assert_eq!(choose(&mut bandit, 0.3, 0.0), "old");
    // Of two new experts the one with more TE, whatever their order.
    bandit.add("x", 1);
    bandit.add("y", 1);
    assert_eq!(bandit.choose(&[candidate("x", 0.4), candidate("y", 0.5), candidate("old", 0.9)], 0.0), Some(1));
    assert_eq!(bandit.choose(&[candidate("old", 0.9), candidate("y", 0.5), candidate("x", 0.4)], 0.0), Some(2));
}

/// Tasks from the change on until the degraded expert gets none of 20 in a row.
fn left_after(settings: Settings) -> usize {
    let mut bandit = bandit(settings, &["good", "other"]);
    let candidates = [candidate("good", 0.8), candidate("other", 0.6)];
    let mut last = 0;
    for task in 0..1200 {
        let chosen = bandit.choose(&candidates, 0.0).unwrap();
        let (bad, other) = (task >= 400, task % 5 < 3);
        // 9 of 10 before, 1 of 10 after.
        let right = if chosen == 1 { other } else { bad == (task % 10 == 0) };
        bandit.observe(candidates[chosen].expert, candidates[chosen].te, f64::from(right)).unwrap();
        if chosen == 0 && task >= 400 && (last == 0 || task - last <= 20) {
            last = task;
        }
    }
    last - 400
}

#[test]
fn a_degraded_expert_is_left_soon() {
    let left = left_after(Settings::default());
    assert!(left < 60, "left after {left} tasks");
    let without = left_after(Settings { alarm: None, ..Settings::default() });
    assert!(left < without, "the alarm does not help: {left} and {without}");
}

#[test]
fn one_that_recovers_is_tried_again() {
    let mut bandit = bandit(Settings::default(), &["a", "b"]);
    let candidates = [candidate("a", 0.9), candidate("b", 0.5)];
    let mut chosen_a = [0; 3];
    for task in 0..6000 {
        let chosen = bandit.choose(&candidates, 0.0).unwrap();
        let phase = task / 2000;
        chosen_a[phase] += usize::from(chosen == 0);
        // The better one succeeds 9 times of 10, but fails in the middle; the other every second time.
        let right = if chosen == 1 { task % 2 == 0 } else { phase != 1 && task % 10 != 0 };
        bandit.observe(candidates[chosen].expert, candidates[chosen].te, f64::from(right)).unwrap();
    }
    assert!(chosen_a[0] > 1900 && chosen_a[1] < 150 && chosen_a[2] > 1500, "{chosen_a:?}");
}

#[test]
fn ranges_are_checked_and_nothing_changes() {
    for bad in [
        Settings { gamma: 0.0, ..thompson() },
        Settings { gamma: 1.1, ..thompson() },
        Settings { prior: f64::NAN, ..thompson() },
        Settings { spread: 0.0, ..thompson() },
        Settings { alarm: Some(0.0), ..thompson() },
        Settings { rule: Rule::Ucb { width: -1.0 }, ..thompson() },
        Settings { trial_te: 2.0, ..thompson() },
        Settings { trial_usd: f64::NAN, ..thompson() },
    ] {
        assert!(Bandit::new(bad, 0).is_err(), "{bad:?}");
    }
    let mut bandit = bandit(thompson(), &["a"]);
    let before = bandit.clone();
    assert!(bandit.observe("a", 0.5, f64::NAN).is_err() && bandit.observe("a", 1.5, 1.0).is_err());
    bandit.observe("unknown", 0.5, 1.0).unwrap();
    assert_eq!(bandit, before);
    assert_eq!(bandit.choose(&[], 0.0), None);
    assert_eq!(bandit.choose(&[candidate("a", f64::NAN)], 0.0), None);
    assert_eq!(bandit.choose(&[Candidate { expert: "a", te: 0.5, usd: f64::NAN }], 1.0), None);
}

proptest! {
    #[test]
    fn state_survives_serde_and_removed_experts_are_never_chosen(
        seed in any::<u64>(), outcomes in prop::collection::vec((0.0..=1.0f64, 0.0..=1.0f64, 0.0..=1.0f64), 0..60), ucb in any::<bool>(),
    ) {
        let settings = if ucb { Settings::default() } else { thompson() };
        let mut bandit = Bandit::new(settings, seed).unwrap();
        for expert in ["a", "b", "gone"] {
            bandit.add(expert, 1);
        }
        bandit.remove("gone");
        let choose = |bandit: &mut Bandit, a: f64, b: f64| {
            let candidates = [candidate("gone", 1.0), candidate("a", a), candidate("b", b)];
            let chosen = bandit.choose(&candidates, 0.0).unwrap();
            // The order of candidates makes no difference.
            (candidates[chosen].expert, candidates[chosen].te)
        };
        for (a, b, outcome) in outcomes {
            let (expert, te) = choose(&mut bandit, a, b);
            prop_assert_ne!(expert, "gone");
            bandit.observe(expert, te, outcome).unwrap();
            bandit.observe("gone", 1.0, 1.0).unwrap();
            let mean = bandit.mean("a", a).unwrap();
            prop_assert!(mean > 0.0 && mean < 1.0);
        }
        let json = serde_json::to_string(&bandit).unwrap();
        let mut copy: Bandit = serde_json::from_str(&json).unwrap();
        let mut turned = copy.clone();
        for _ in 0..5 {
            let expected = choose(&mut bandit, 0.5, 0.6).0;
            prop_assert_eq!(choose(&mut copy, 0.5, 0.6).0, expected);
            let candidates = [candidate("b", 0.6), candidate("a", 0.5)];
            prop_assert_eq!(candidates[turned.choose(&candidates, 0.0).unwrap()].expert, expected);
        }
    }
}
