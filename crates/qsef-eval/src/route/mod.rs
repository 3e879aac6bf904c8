//! How well requests are routed: quality and price of policies that choose one expert per request.

mod bayes;
mod data;
mod frontier;
mod policies;

use std::time::Instant;

pub use data::{RouteSet, read};
use frontier::Frontier;
use policies::{Choices, Policy};
use qsef_core::{AnyEmbedder, Result};
use qsef_score::{
    Example, LearnOptions, Learned, Outcome, Scorer, Task, Term, Weights, anchor_texts, brier, cosine, ece,
};
use serde::Serialize;

use crate::embed::{Read, embed, median};

/// What a decision gives up in probability of success for the price of the dearest expert, in the policies `qsef-λ`.
const LAMBDAS: [f64; 22] = [
    0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.0225, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13,
    0.16, 0.2, 0.25, 0.35, 0.5,
];

/// The same of the agent's own choice, for the policy `qsef-cold`: profiles alone tell little, and the price is known.
const COLD_LAMBDA: f64 = 0.05;

/// What a policy came to on the test rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyReport {
    /// Its name.
    pub name: String,
    /// Mean score of the chosen experts, in [0, 1].
    pub quality: f64,
    /// Mean price of the chosen experts, in US dollars per 10⁶ tokens.
    pub usd_per_mtok: f64,
    /// Mean cost of a request in US dollars, where the rows have costs.
    pub usd: Option<f64>,
    /// `(q − q_task) / (q_oracle − q_task)`: what it gains over the best expert of each true task, as a share of what there
    /// is to gain; none where the rows name no tasks.
    pub share_of_oracle_gap: Option<f64>,
}

/// Figures of the fitted score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreReport {
    /// Brier score of TE on the test rows.
    pub brier: f64,
    /// Brier score there of each expert's mean success in the training rows.
    pub base_brier: f64,
    /// Expected calibration error of TE on the test rows, ten bins.
    pub ece: f64,
    /// Median time of a decision in microseconds: reading the request's text and scoring all experts, without embedding.
    pub decision_us_p50: f64,
    /// Average performance gap recovered (RouteLLM), where there are two experts: the area under quality, from the weak
    /// expert's (0) to the strong one's (1), over the share of requests that the strong one gets.
    pub apgr: Option<f64>,
    /// Share of requests, in percent, that the strong expert must get for half of the gap (RouteLLM).
    pub cpt50: Option<f64>,
    /// The same for 80 % of the gap.
    pub cpt80: Option<f64>,
}

/// What the score is worth without one of its terms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ablation {
    /// The term.
    pub without: Term,
    /// Its coefficients in the full score: without history, and with.
    pub weights: (f64, f64),
    /// Quality of the policy `qsef` without it.
    pub quality: f64,
    /// Brier score without it.
    pub brier: f64,
    /// Calibration error without it.
    pub ece: f64,
    /// APGR without it, where there are two experts.
    pub apgr: Option<f64>,
}

/// The figures of `qsef eval route`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Test rows.
    pub n: usize,
    /// The policies.
    pub policies: Vec<PolicyReport>,
    /// The fitted score.
    pub qsef: ScoreReport,
    /// What was learned from the training rows, with figures over outcomes that the estimates had not seen.
    pub learned: Learned,
    /// What each term contributes, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ablation: Vec<Ablation>,
}

/// Evaluates all policies. `progress` hears what is being done, how much of it is done, and of how much.
///
/// # Errors
/// The embedder's own.
pub async fn evaluate(
    set: &RouteSet,
    embedder: &AnyEmbedder,
    ablation: bool,
    mut progress: impl FnMut(&str, usize, usize),
) -> Result<Report> {
    let mut scorer = Scorer::new(Weights::default());
    let mut descriptions = Vec::new();
    for expert in &set.experts {
        let vectors = embedder.embed(anchor_texts(expert)).await?;
        descriptions.push(vectors.first().cloned().unwrap_or_default());
        scorer.add(expert, vectors);
    }
    scorer.learn_spread();
    let train = embed(embedder, set.train.iter().map(|r| r.query.as_str()), "training requests", &mut progress).await?;
    let test = embed(embedder, set.test.iter().map(|r| r.query.as_str()), "test requests", &mut progress).await?;
    let choices = Choices::new(set);

    let cold = predictions(&scorer, &test, &choices);
    let examples: Vec<Example> = train
        .iter()
        .zip(&set.train)
        .map(|(read, row)| Example {
            task: read.task.clone(),
            vectors: read.vectors.clone(),
            outcomes: row.scores.iter().map(|(id, &score)| Outcome::new(id, score)).collect(),
        })
        .collect();
    progress("learning", 0, 0);
    let learned = scorer.learn(&examples, &LearnOptions::default())?;
    let fitted = predictions(&scorer, &test, &choices);

    let similarity: Vec<Vec<f64>> = test
        .iter()
        .map(|read| descriptions.iter().map(|d| read.vectors.first().map_or(0.0, |v| cosine(v, d))).collect())
        .collect();
    let mut policies = vec![choices.random(), choices.best_single(), Policy::new("similarity", similarity)];
    policies.extend(bayes::policy(set, &choices));
    policies.push(policies::knn(&choices, &train, &test));
    policies.push(Policy::new("qsef-cold-λ0", cold.clone()));
    policies.push(Policy::priced("qsef-cold", cold, COLD_LAMBDA));
    policies.push(Policy::new("qsef", fitted.clone()));
    policies.extend(LAMBDAS.map(|lambda| Policy::priced(&format!("qsef-λ{lambda}"), fitted.clone(), lambda)));
    let true_task = choices.true_task();
    policies.extend(true_task.clone());
    policies.push(choices.oracle());

    let best = choices.quality(&choices.oracle());
    let task = true_task.map(|p| choices.quality(&p));
    let share = |quality: f64| task.filter(|t| best > *t).map(|t| (quality - t) / (best - t));
    let policies = policies
        .iter()
        .map(|p| {
            let quality = choices.quality(p);
            PolicyReport {
                name: p.name.clone(),
                quality,
                usd_per_mtok: choices.price(p),
                usd: choices.cost(p),
                share_of_oracle_gap: share(quality),
            }
        })
        .collect();

    let mut rows = Vec::new();
    if ablation {
        let terms = || Term::ALL.into_iter().filter(|&t| matters(&learned.weights, t));
        for (i, term) in terms().enumerate() {
            progress("ablation", i, terms().count());
            scorer.learn(&examples, &LearnOptions { without: vec![term], ..LearnOptions::default() })?;
            let predicted = predictions(&scorer, &test, &choices);
            let pairs = choices.pairs(&predicted);
            rows.push(Ablation {
                without: term,
                weights: (learned.weights.profile.get(term), learned.weights.history.get(term)),
                quality: choices.quality(&Policy::new("", predicted.clone())),
                brier: brier(&pairs),
                ece: ece(&pairs),
                apgr: Frontier::of(&choices, &predicted).map(|f| f.apgr()),
            });
        }
        scorer.learn(&examples, &LearnOptions::default())?;
    }
    progress("timing decisions", 0, 0);
    let pairs = choices.pairs(&fitted);
    let frontier = Frontier::of(&choices, &fitted);
    let qsef = ScoreReport {
        brier: brier(&pairs),
        base_brier: brier(&choices.base_pairs()),
        ece: ece(&pairs),
        decision_us_p50: decision_us(&scorer, set, &test),
        apgr: frontier.as_ref().map(Frontier::apgr),
        cpt50: frontier.as_ref().and_then(|f| f.cpt(0.5)),
        cpt80: frontier.as_ref().and_then(|f| f.cpt(0.8)),
    };
    Ok(Report { n: set.test.len(), policies, qsef, learned, ablation: rows })
}

/// Whether a term has a coefficient that is not negligible.
fn matters(weights: &Weights, term: Term) -> bool {
    weights.profile.get(term).max(weights.history.get(term)) > 1e-3
}

/// TE of every expert for every request, in the order of the set's experts.
fn predictions(scorer: &Scorer, test: &[Read], choices: &Choices<'_>) -> Vec<Vec<f64>> {
    test.iter()
        .map(|read| {
            let mut te = vec![0.0; choices.experts()];
            for ranked in scorer.rank(&read.task, &read.vectors) {
                let place = scorer.id(ranked.place).and_then(|id| choices.place(id));
                if let Some(slot) = place.and_then(|p| te.get_mut(p)) {
                    *slot = ranked.te;
                }
            }
            te
        })
        .collect()
}

/// Median time of a decision, in microseconds.
fn decision_us(scorer: &Scorer, set: &RouteSet, test: &[Read]) -> f64 {
    let times = set.test.iter().zip(test).map(|(row, read)| {
        let began = Instant::now();
        let task = Task::new(&row.query);
        let ranked = scorer.rank(&task, &read.vectors);
        std::hint::black_box(ranked.first());
        began.elapsed().as_secs_f64() * 1e6
    });
    median(times.collect())
}
