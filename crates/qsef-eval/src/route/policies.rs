//! Policies: a value of every expert for every request; the best value gets the request.

use std::collections::{BTreeMap, HashMap};

use qsef_score::cosine;

use super::{RouteSet, data::Row};
use crate::embed::Read;

/// Neighbours of the plain baseline.
const NEIGHBOURS: usize = 50;

/// A value of each expert for each test row.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub name: String,
    values: Vec<Vec<f64>>,
    /// What is subtracted for the price of the dearest expert, in units of the values.
    lambda: f64,
    /// Whether every expert that has a score is as likely as the others.
    random: bool,
}

impl Policy {
    pub fn new(name: &str, values: Vec<Vec<f64>>) -> Self {
        Self::priced(name, values, 0.0)
    }

    pub fn priced(name: &str, values: Vec<Vec<f64>>, lambda: f64) -> Self {
        Self { name: name.into(), values, lambda, random: false }
    }
}

/// The test rows with their experts: what policies choose from.
pub(super) struct Choices<'a> {
    set: &'a RouteSet,
    places: HashMap<&'a str, usize>,
    prices: Vec<f64>,
    /// Mean score in the training rows.
    means: Vec<f64>,
}

impl<'a> Choices<'a> {
    pub fn new(set: &'a RouteSet) -> Self {
        let places: HashMap<&str, usize> = set.experts.iter().map(|e| e.id.as_str()).zip(0..).collect();
        let means = mean_scores(set.train.iter(), &places, 0.0);
        Self { places, prices: set.experts.iter().map(|e| e.usd_per_mtok).collect(), means, set }
    }

    pub fn experts(&self) -> usize {
        self.set.experts.len()
    }

    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Price and score of each expert that a row has a score of.
    fn offers<'r>(&'r self, row: &'r Row) -> impl Iterator<Item = (usize, f64, f64)> + 'r {
        row.scores.iter().filter_map(|(id, &score)| {
            let place = self.place(id)?;
            Some((place, self.prices.get(place).copied()?, score))
        })
    }

    /// The share of a row's request that each expert gets, as (place, price, score, share). Ties go to the cheaper one, then to
    /// the first by id.
    fn shares(&self, policy: &Policy, at: usize, row: &Row) -> Vec<(usize, f64, f64, f64)> {
        let offers: Vec<_> = self.offers(row).collect();
        if policy.random {
            let share = 1.0 / offers.len() as f64;
            return offers.into_iter().map(|(place, price, score)| (place, price, score, share)).collect();
        }
        let dearest = self.prices.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let value = |place: usize, price: f64| {
            let value = policy.values.get(at).and_then(|v| v.get(place)).copied().unwrap_or(f64::NEG_INFINITY);
            value - policy.lambda * price / dearest
        };
        let best = offers.into_iter().reduce(|a, b| {
            let better = value(b.0, b.1).total_cmp(&value(a.0, a.1)).then(a.1.total_cmp(&b.1));
            if better.is_gt() { b } else { a }
        });
        best.map(|(place, price, score)| (place, price, score, 1.0)).into_iter().collect()
    }

    fn mean(&self, policy: &Policy, value: impl Fn(&Row, usize, f64, f64) -> f64) -> f64 {
        let rows = self.set.test.iter().enumerate();
        let of_row = |(at, row)| -> f64 {
            self.shares(policy, at, row).into_iter().map(|(p, price, score, s)| s * value(row, p, price, score)).sum()
        };
        rows.map(of_row).sum::<f64>() / self.set.test.len().max(1) as f64
    }

    /// Mean score of the chosen experts.
    pub fn quality(&self, policy: &Policy) -> f64 {
        self.mean(policy, |_, _, _, score| score)
    }

    /// Mean price of the chosen experts.
    pub fn price(&self, policy: &Policy) -> f64 {
        self.mean(policy, |_, _, price, _| price)
    }

    /// Mean cost of a request; none where a row lacks costs.
    pub fn cost(&self, policy: &Policy) -> Option<f64> {
        let ids: Vec<&str> = self.set.experts.iter().map(|e| e.id.as_str()).collect();
        let complete = self.set.test.iter().all(|row| row.scores.keys().all(|id| row.costs.contains_key(id)));
        let cost = |row: &Row, place: usize| ids.get(place).and_then(|id| row.costs.get(*id)).copied();
        complete.then(|| self.mean(policy, |row, place, _, _| cost(row, place).unwrap_or_default()))
    }

    pub fn random(&self) -> Policy {
        Policy { name: "random".into(), values: Vec::new(), lambda: 0.0, random: true }
    }

    /// The expert that did best in the training rows.
    pub fn best_single(&self) -> Policy {
        Policy::new("best-single", vec![self.means.clone(); self.set.test.len()])
    }

    /// The expert that did best at training rows of the same true task; none where rows lack tasks.
    pub fn true_task(&self) -> Option<Policy> {
        let by_task = self.by_task()?;
        let values = |row: &Row| Some(by_task.get(row.task.as_deref()?).unwrap_or(&self.means).clone());
        let values: Option<Vec<_>> = self.set.test.iter().map(values).collect();
        Some(Policy::new("true-task", values?))
    }

    /// Mean scores in the training rows of each task; none where no row names one.
    pub fn by_task(&self) -> Option<BTreeMap<&'a str, Vec<f64>>> {
        let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.set.train {
            rows.entry(row.task.as_deref()?).or_default().push(row);
        }
        let mean = |rows: Vec<&Row>| mean_scores(rows.into_iter(), &self.places, 0.0);
        Some(rows.into_iter().map(|(task, rows)| (task, mean(rows))).collect())
    }

    /// The cheapest of the experts that did best at each test row.
    pub fn oracle(&self) -> Policy {
        let values = |row: &Row| {
            let mut values = vec![f64::NEG_INFINITY; self.experts()];
            for (place, _, score) in self.offers(row) {
                if let Some(value) = values.get_mut(place) {
                    *value = score;
                }
            }
            values
        };
        Policy::new("oracle", self.set.test.iter().map(values).collect())
    }

    /// Predicted and true success of every outcome in the test rows.
    pub fn pairs(&self, predicted: &[Vec<f64>]) -> Vec<(f64, f64)> {
        let rows = self.set.test.iter().zip(predicted);
        rows.flat_map(|(row, te)| {
            self.offers(row).filter_map(move |(place, _, score)| Some((te.get(place).copied()?, score)))
        })
        .collect()
    }

    /// The same for each expert's mean in the training rows.
    pub fn base_pairs(&self) -> Vec<(f64, f64)> {
        self.pairs(&vec![self.means.clone(); self.set.test.len()])
    }

    /// Where there are two experts, and every test row has scores of both.
    pub fn duel(&self) -> Option<Duel> {
        let [a, b] = self.means[..] else { return None };
        let (strong, weak) = if a >= b { (0, 1) } else { (1, 0) };
        let of = |row: &Row, place: usize| self.offers(row).find(|o| o.0 == place).map(|o| o.2);
        let scores: Option<Vec<_>> = self.set.test.iter().map(|r| Some((of(r, strong)?, of(r, weak)?))).collect();
        Some(Duel { strong, weak, scores: scores? })
    }
}

/// Two experts: the better in training, the other, and the scores of both at each test row.
pub(super) struct Duel {
    pub strong: usize,
    pub weak: usize,
    pub scores: Vec<(f64, f64)>,
}

/// Mean score of each expert over rows; `missing` where it has none.
fn mean_scores<'r>(rows: impl Iterator<Item = &'r Row>, places: &HashMap<&str, usize>, missing: f64) -> Vec<f64> {
    let mut sums = vec![(0f64, 0f64); places.len()];
    for (id, score) in rows.flat_map(|row| &row.scores) {
        if let Some((sum, count)) = places.get(id.as_str()).and_then(|p| sums.get_mut(*p)) {
            *sum += score;
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { missing }).collect()
}

/// The plain baseline: the mean scores of the training requests whose vectors are nearest.
pub(super) fn knn(choices: &Choices<'_>, train: &[Read], test: &[Read]) -> Policy {
    let values = |read: &Read| {
        let query = read.vectors.first().map_or(&[][..], Vec::as_slice);
        let mut near: Vec<(f64, &Row)> = train
            .iter()
            .zip(&choices.set.train)
            .map(|(r, row)| (r.vectors.first().map_or(0.0, |v| cosine(query, v)), row))
            .collect();
        if near.len() > NEIGHBOURS {
            near.select_nth_unstable_by(NEIGHBOURS, |a, b| b.0.total_cmp(&a.0));
        }
        mean_scores(near.iter().take(NEIGHBOURS).map(|(_, row)| *row), &choices.places, 0.0)
    };
    Policy::new("knn", test.iter().map(values).collect())
}
