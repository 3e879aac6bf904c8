//! The score as an application sees it.

use std::sync::Arc;

use proptest::prelude::*;
use qsef_core::ExpertProfile;
use qsef_score::{
    Example, LearnOptions, Outcome, Promises, Score, Scorer, Task, Term, Weights, anchor_texts,
    distance::{Concept, GraphWeights, SemanticGraph},
    transmission_efficiency,
};

/// A vector of letter counts: texts with the same letters are near.
fn embed(text: &str) -> Vec<f32> {
    let mut counts = vec![0.1f32; 26];
    for c in text.bytes().filter(u8::is_ascii_alphabetic) {
        if let Some(count) = counts.get_mut(usize::from(c.to_ascii_lowercase() - b'a')) {
            *count += 1.0;
        }
    }
    counts
}

fn scorer(profiles: &[ExpertProfile]) -> Scorer {
    let mut scorer = Scorer::new(Weights::default());
    for profile in profiles {
        scorer.add(profile, anchor_texts(profile).iter().map(|t| embed(t)).collect());
    }
    scorer
}

fn read(text: &str) -> (Task, Vec<Vec<f32>>) {
    let task = Task::new(text);
    let vectors = task.texts().iter().map(|t| embed(t)).collect();
    (task, vectors)
}

fn score(scorer: &Scorer, text: &str) -> Vec<Score> {
    let (task, vectors) = read(text);
    scorer.score(&task, &vectors)
}

fn example(text: &str, outcomes: &[(&str, f64)]) -> Example {
    let (task, vectors) = read(text);
    Example { task, vectors, outcomes: outcomes.iter().map(|(id, y)| Outcome::new(*id, *y)).collect() }
}

/// Experts whose success depends on what the task is about, and tasks of two kinds.
fn specialists() -> (Scorer, Vec<Example>) {
    let scorer = scorer(&[ExpertProfile::new("first", "a model"), ExpertProfile::new("second", "a model")]);
    let examples = (0..120).map(|i| match i % 2 {
        0 => example(&format!("zzz qqq {i} zzz"), &[("first", 1.0), ("second", 0.0)]),
        _ => example(&format!("aaa eee {i} aaa"), &[("first", 0.0), ("second", 1.0)]),
    });
    let examples = examples.collect();
    (scorer, examples)
}

proptest! {
    #[test]
    fn te_is_a_probability_and_falls_with_distance_and_resistance(
        d in 0.0..=1.0f64, r in 0.0..=1.0f64, more in 0.001..0.5f64,
    ) {
        let te = |d, r| transmission_efficiency(3.0, d, 2.4, r);
        prop_assert!(te(d, r) > 0.0 && te(d, r) <= 1.0);
        prop_assert!(te(d + more, r) < te(d, r));
        prop_assert!(te(d, r + more) < te(d, r));
    }

    #[test]
    fn every_score_comes_apart_into_its_terms(text in "\\PC{0,80}", learned in any::<bool>()) {
        let (mut scorer, examples) = specialists();
        if learned {
            scorer.learn(&examples, &LearnOptions::default()).unwrap();
        }
        let newcomer = ExpertProfile::new("new", "just came").examples(["zzz"]);
        scorer.add(&newcomer, anchor_texts(&newcomer).iter().map(|t| embed(t)).collect());
        for s in score(&scorer, &text) {
            prop_assert!(s.te > 0.0 && s.te <= 1.0);
            let exponent: f64 = s.terms.iter().map(|t| t.weight * t.value).sum();
            prop_assert!((s.te - (-exponent).exp()).abs() < 1e-9);
            let formula = transmission_efficiency(s.k1, s.distance, s.k2, s.resistance);
            prop_assert!((s.te - formula).abs() < 1e-9, "{s:?}");
            for t in &s.terms {
                prop_assert!((0.0..=1.0).contains(&t.value) && t.weight > 0.0);
            }
        }
    }

    #[test]
    fn the_order_of_experts_does_not_matter(text in "\\PC{0,80}", order in Just([0usize, 1, 2]).prop_shuffle()) {
        let profiles = ["alpha", "beta", "gamma"].map(|id| ExpertProfile::new(id, format!("does {id} things")));
        let ordered = scorer(&profiles);
        let shuffled = scorer(&order.map(|i| profiles[i].clone()));
        prop_assert_eq!(score(&ordered, &text), score(&shuffled, &text));
    }

    #[test]
    fn broken_vectors_are_unrelated_to_everything(
        values in prop::collection::vec(prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(0.0), -1.0f32..1.0], 0..9),
    ) {
        let mut scorer = Scorer::new(Weights::default());
        scorer.add(&ExpertProfile::new("a", "b"), vec![values.clone(), vec![1.0; 3]]);
        scorer.add(&ExpertProfile::new("c", "d"), vec![vec![f32::NAN; 3]]);
        let task = Task::new("x");
        for s in scorer.score(&task, &[values.clone(), values.clone(), values]) {
            prop_assert!(s.te > 0.0 && s.te <= 1.0);
        }
    }
}

#[test]
fn no_expert_one_expert_and_two_of_one_id() {
    let mut scorer = scorer(&[]);
    assert!(score(&scorer, "anything").is_empty() && scorer.is_empty());
    let profile = ExpertProfile::new("only", "converts miles");
    for _ in 0..2 {
        scorer.add(&profile, anchor_texts(&profile).iter().map(|t| embed(t)).collect());
        assert_eq!((scorer.len(), score(&scorer, "convert miles").len()), (1, 1));
    }
    assert!(scorer.remove("only") && !scorer.remove("only"));
    assert!(score(&scorer, "convert miles").is_empty());
}

#[test]
fn words_of_the_arguments_count() {
    let mut post = ExpertProfile::new("post", "Publishes a text");
    post.parameters = Some(serde_json::json!({"network": {"description": "e.g. Mastodon"}}));
    let mut scorer = Scorer::new(Weights::default());
    scorer.add(&ExpertProfile::new("file", "Publishes a text"), vec![]);
    scorer.add(&post, vec![]);
    assert_eq!(scorer.score(&Task::new("put this on Mastodon"), &[])[0].expert, "post");
}

#[test]
fn what_an_expert_did_before_counts_at_similar_tasks() {
    let (mut scorer, examples) = specialists();
    let before = score(&scorer, "zzz qqq");
    assert!((before[0].te - before[1].te).abs() < 0.01);
    let learned = scorer.learn(&examples, &LearnOptions::default()).unwrap();
    assert_eq!((learned.tasks, learned.outcomes, learned.of_unknown), (120, 240, 0));
    assert!(learned.brier < 0.05 && learned.base_brier > 0.2 && learned.ece < 0.1, "{learned:?}");
    for (text, best) in [("qqq zzz", "first"), ("eee aaa", "second")] {
        let scores = score(&scorer, text);
        assert_eq!(scores[0].expert, best);
        assert!(scores[0].te > 0.8 && scores[1].te < 0.2 && scores[0].seen > 0, "{scores:?}");
        assert!(scores[1].advice().unwrap().contains("similar tasks") || scores[1].advice().unwrap().contains("kind"));
    }
}

#[test]
fn a_newcomer_is_judged_by_its_profile() {
    let (mut scorer, mut examples) = specialists();
    // Outcomes of an expert that is not there yet.
    examples.push(example("zzz", &[("later", 1.0)]));
    let learned = scorer.learn(&examples, &LearnOptions::default()).unwrap();
    assert_eq!(learned.of_unknown, 1);
    let near = ExpertProfile::new("near", "qqq zzz").examples(["zzz qqq zzz"]);
    let far = ExpertProfile::new("far", "aaa");
    for profile in [&near, &far, &ExpertProfile::new("later", "aaa")] {
        scorer.add(profile, anchor_texts(profile).iter().map(|t| embed(t)).collect());
    }
    let scores = score(&scorer, "zzz qqq");
    let te = |id: &str| scores.iter().find(|s| s.expert == id).unwrap();
    assert!(te("near").te > te("far").te && te("near").seen == 0);
    // Its one success counts as soon as it is there.
    assert!(te("later").te > te("far").te);
}

#[test]
fn outcomes_of_a_ledger_speak_for_tasks_like_their_own() {
    let profiles = [ExpertProfile::new("maths", "adds numbers"), ExpertProfile::new("poems", "writes poems")];
    let mut scorer = scorer(&profiles);
    let te = |scorer: &Scorer, text: &str, id: &str| score(scorer, text).iter().find(|s| s.expert == id).unwrap().te;
    let (near, far) = ("kkk zzz", "adds numbers");
    let before = (te(&scorer, near, "poems"), te(&scorer, far, "poems"), te(&scorer, near, "maths"));
    let rated = |success| (0..5).map(|i| example(&format!("kkk zzz {i}"), &[("poems", success)])).collect::<Vec<_>>();
    scorer.remember(&rated(1.0));
    assert!(te(&scorer, near, "poems") > 0.6, "successes at such tasks count");
    let order = te(&scorer, far, "poems") < te(&scorer, far, "maths");
    assert!(order && before.1 < te(&scorer, far, "poems") + 0.01, "and say little of others");
    assert!(te(&scorer, near, "maths") < te(&scorer, near, "poems") / 1.5, "and nothing of other experts");
    scorer.remember(&rated(0.0));
    assert!(te(&scorer, near, "poems") < before.0 / 2.0);
    scorer.remember(&[]);
    assert_eq!(te(&scorer, near, "poems"), before.0);
}

#[test]
fn a_ledger_tells_what_promises_are_worth_and_keeps_their_order() {
    let profiles = ["alpha", "beta", "gamma"].map(|id| ExpertProfile::new(id, format!("does {id} things")));
    let mut scorer = scorer(&profiles);
    let order = |scorer: &Scorer| score(scorer, "qqq www").into_iter().map(|s| s.expert).collect::<Vec<_>>();
    let before = (order(&scorer), score(&scorer, "qqq www")[0].te);
    // What alpha did says that profiles promise too little; at tasks of another kind only that counts.
    let good: Vec<Example> = (0..60).map(|i| example(&format!("do alpha things {i}"), &[("alpha", 1.0)])).collect();
    assert!(scorer.remember(&good).promises.correction() > 0.5);
    assert_eq!(order(&scorer), before.0);
    assert!(score(&scorer, "qqq www")[0].te > 2.0 * before.1);
    let bad: Vec<Example> = (0..60).map(|i| example(&format!("do alpha things {i}"), &[("alpha", 0.0)])).collect();
    assert!(scorer.remember(&bad).promises.correction() < 0.0);
    assert!(score(&scorer, "qqq www")[0].te < before.1);
    assert_eq!(scorer.remember(&[]).promises, Promises::default());
}

#[test]
fn nothing_to_learn_from_leaves_the_scorer_as_new_and_bad_rows_are_named() {
    let (mut scorer, examples) = specialists();
    let fresh = score(&scorer, "zzz aaa");
    scorer.learn(&examples, &LearnOptions::default()).unwrap();
    let learned = scorer.learn(&[], &LearnOptions::default()).unwrap();
    assert_eq!((learned.tasks, learned.weights), (0, Weights::default()));
    assert_eq!(score(&scorer, "zzz aaa"), fresh);
    for bad in [f64::NAN, -0.1, 1.1] {
        let error = scorer.learn(&[example("x", &[("first", bad)])], &LearnOptions::default()).unwrap_err();
        assert!(error.to_string().contains("first"), "{error}");
    }
    let mut heavy = example("x", &[("first", 1.0)]);
    heavy.outcomes[0].weight = f64::INFINITY;
    assert!(scorer.learn(&[heavy], &LearnOptions::default()).is_err());
}

#[test]
fn among_thousands_of_experts_the_right_one_is_found() {
    let word =
        |i: usize| -> String { [i % 26, i / 26 % 26, i / 676 % 26].map(|c| (b'a' + c as u8) as char).iter().collect() };
    let profile = |i: usize| ExpertProfile::new(format!("e{i:04}"), word(i).repeat(3));
    let mut scorer = scorer(&(0..1500).map(profile).collect::<Vec<_>>());
    let found = |scorer: &Scorer, i: usize| {
        score(scorer, &word(i).repeat(3)).iter().take(3).any(|s| s.expert == format!("e{i:04}"))
    };
    let right = (0..1500).step_by(10).filter(|&i| found(&scorer, i)).count();
    assert!(right >= 145, "{right} of 150");
    let late = profile(1600);
    scorer.add(&late, anchor_texts(&late).iter().map(|t| embed(t)).collect());
    assert!(found(&scorer, 1600), "an expert that is added later is found, too");
    assert!(scorer.remove("e1600") && !found(&scorer, 1600));
}

#[test]
fn an_expert_that_is_removed_or_replaced_leaves_the_others_as_they_were() {
    let profile = |i: usize| {
        let words = ["miles", "poems", "taxes", "birds", "songs"];
        let examples = (0..i).map(|n| format!("{} number {n}", words[i]));
        ExpertProfile::new(words[i], format!("does {}", words[i])).examples(examples)
    };
    let mut changed = scorer(&[0, 1, 2, 3, 4].map(profile));
    assert!(changed.remove("taxes") && changed.remove("miles"));
    let birds = profile(3);
    changed.add(&birds, anchor_texts(&birds).iter().map(|t| embed(t)).collect());
    let fresh = scorer(&[1, 4, 3].map(profile));
    for text in ["taxes and birds", "a song number 2", "miles"] {
        assert_eq!(score(&changed, text), score(&fresh, text));
    }
}

#[test]
fn one_without_vectors_may_come_first() {
    let mut scorer = Scorer::new(Weights::default());
    scorer.add(&ExpertProfile::new("bare", "x"), vec![]);
    for id in ["aaa", "zzz"] {
        scorer.add(&ExpertProfile::new(id, "x").examples([id]), vec![embed(id); 3]);
    }
    let scores = score(&scorer, "zz zz zz");
    assert_eq!((scores.len(), scores[0].expert.as_str()), (3, "zzz"));
}

/// Two families: cats and dogs are animals, oaks and firs are trees.
struct Families;

impl SemanticGraph for Families {
    fn concepts(&self, text: &str) -> Vec<Concept> {
        (0..).zip(["cat", "dog", "oak", "fir"]).filter(|(_, word)| text.contains(word)).map(|(i, _)| i).collect()
    }
    fn path_length(&self, a: Concept, b: Concept) -> Option<u32> {
        (a / 2 == b / 2).then_some(2)
    }
    fn ancestor_depths(&self, a: Concept, b: Concept) -> Option<(u32, u32, u32)> {
        Some(if a / 2 == b / 2 { (2, 3, 3) } else { (1, 3, 3) })
    }
    fn embedding_distance(&self, _: Concept, _: Concept) -> Option<f64> {
        None
    }
}

#[test]
fn a_semantic_graph_brings_what_is_related_nearer() {
    let profiles = [ExpertProfile::new("a", "about a dog"), ExpertProfile::new("b", "about a fir")];
    let te = |scorer: &Scorer, text: &str| {
        score(scorer, text).into_iter().map(|s| (s.expert.clone(), s)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let mut graph = Scorer::new(Weights::default()).with_graph(Arc::new(Families), GraphWeights::default());
    for profile in &profiles {
        graph.add(profile, anchor_texts(profile).iter().map(|t| embed(t)).collect());
    }
    let (with, without) = (te(&graph, "feed the cat"), te(&scorer(&profiles), "feed the cat"));
    let of = |s: &Score, term: Term| s.terms.iter().find(|t| t.term == term).map(|t| t.value);
    // Path 2 of 3, ancestor 1 − 2·2/6: the mean of 2/3 and 1/3. One concept counts as much as the other distances together.
    let beside = |s: &Score, concepts: f64, term: Term| (concepts + of(s, term).unwrap()) / 2.0;
    let is = |s: &Score, term: Term, value: f64| (of(s, term).unwrap() - value).abs() < 1e-6;
    assert!(is(&with["a"], Term::Graph, beside(&with["a"], 0.5, Term::Description)));
    assert!(is(&with["b"], Term::Graph, beside(&with["b"], 2.0 / 3.0, Term::Description)));
    assert!(is(&with["a"], Term::Concepts, beside(&with["a"], 1.0, Term::Lexical)));
    let walk = &te(&graph, "walk the dog")["a"];
    assert!(is(walk, Term::Concepts, beside(walk, 0.0, Term::Lexical)));
    // Without a graph, or where the task names no concept, the other distances have its weight.
    for scores in [&without, &te(&graph, "hello")] {
        assert_eq!(of(&scores["a"], Term::Graph), None);
        assert!((scores["a"].k1 - 3.0).abs() < 1e-9 && (scores["a"].k2 - 2.4).abs() < 1e-9);
    }
}

#[test]
fn what_an_expert_did_before_it_changed_counts_little() {
    let profiles = ["alpha", "beta"].map(|id| ExpertProfile::new(id, format!("does {id} things")));
    let mut scorer = scorer(&profiles);
    let did = |i: usize, success| example(&format!("do alpha things {i}"), &[("alpha", success)]);
    let mut newest_first: Vec<Example> = (0..60).map(|i| did(i, 1.0)).collect();
    let mut te = Vec::new();
    for _ in 0..12 {
        scorer.remember(&newest_first);
        te.push(score(&scorer, "do alpha things")[0].te);
        newest_first.insert(0, did(te.len(), 0.0));
    }
    assert!(te[0] > 0.8 && te[3] > 0.7, "a few failures of many outcomes are chance: {te:?}");
    assert!(te[11] < 0.5, "a row of them is none, though 60 of 71 went well: {te:?}");
}

#[test]
fn failures_sink_a_promise_everywhere_and_successes_raise_it_nowhere() {
    let profiles = ["alpha", "beta"].map(|id| ExpertProfile::new(id, format!("does {id} things")));
    let mut scorer = scorer(&profiles);
    let did = |success| move |i| example(&format!("qqq {i}"), &[("alpha", success), ("beta", 1.0 - success)]);
    let te = |scorer: &Scorer, id: &str| score(scorer, "xyz")[..].iter().find(|s| s.expert == id).unwrap().te;
    let examples: Vec<Example> = (0..30).map(did(0.0)).collect();
    let remembered = scorer.remember(&examples);
    let promise = te(&scorer, "beta");
    assert!(te(&scorer, "alpha") < 0.7 * promise, "{} {promise}", te(&scorer, "alpha"));
    // One that nothing is known of, with as good a profile, is not behind one that did well at other tasks.
    let profile = ExpertProfile::new("gamma", "does beta things");
    scorer.add(&profile, anchor_texts(&profile).iter().map(|t| embed(t)).collect());
    assert!((promise - te(&scorer, "gamma")).abs() < 0.05, "{promise} {}", te(&scorer, "gamma"));
    assert!(remembered.bandit.mean("beta", promise).unwrap() > promise);
    assert_eq!(remembered.bandit.experts().collect::<Vec<_>>(), ["alpha", "beta"]);
}
