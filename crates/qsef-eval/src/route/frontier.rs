//! Two experts, one strong and one weak: how much of the gap between them a policy recovers, by the share of requests that
//! the strong one gets (RouteLLM).

use super::policies::{Choices, Duel};

/// Share of the gap recovered when the strong expert gets the first 0, 1, 2 … of the requests, by falling advantage.
pub(super) struct Frontier(Vec<f64>);

impl Frontier {
    /// None unless there are two experts whose qualities differ.
    pub fn of(choices: &Choices<'_>, predicted: &[Vec<f64>]) -> Option<Self> {
        let Duel { strong, weak, scores } = choices.duel()?;
        let advantage = |te: &Vec<f64>| Some(te.get(strong)? - te.get(weak)?);
        let advantages: Option<Vec<f64>> = predicted.iter().map(advantage).collect();
        Self::new(advantages?, &scores)
    }

    /// `scores` are the strong and the weak expert's.
    fn new(advantages: Vec<f64>, scores: &[(f64, f64)]) -> Option<Self> {
        let gap: f64 = scores.iter().map(|(s, w)| s - w).sum();
        if gap == 0.0 {
            return None;
        }
        let mut order: Vec<(f64, f64)> = advantages.into_iter().zip(scores.iter().map(|(s, w)| s - w)).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut recovered = 0.0;
        let points = order.iter().map(|(_, gain)| {
            recovered += gain / gap;
            recovered
        });
        Some(Self(std::iter::once(0.0).chain(points).collect()))
    }

    /// Average performance gap recovered: the area under the curve.
    pub fn apgr(&self) -> f64 {
        let areas = self.0.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0);
        areas.sum::<f64>() / (self.0.len() - 1).max(1) as f64
    }

    /// The least share of requests, in percent, that recovers a share of the gap.
    pub fn cpt(&self, share: f64) -> Option<f64> {
        let calls = self.0.iter().position(|&r| r >= share - 1e-12)?;
        Some(100.0 * calls as f64 / (self.0.len() - 1).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_order_recovers_the_gap_at_once_and_the_reverse_at_last() {
        let scores = [(1.0, 0.0), (1.0, 1.0), (1.0, 0.0), (1.0, 1.0)];
        let good = Frontier::new(vec![0.9, 0.1, 0.8, 0.0], &scores).unwrap();
        assert_eq!((good.apgr(), good.cpt(0.5), good.cpt(0.8)), (0.75, Some(25.0), Some(50.0)));
        let bad = Frontier::new(vec![0.0, 0.9, 0.1, 0.8], &scores).unwrap();
        assert_eq!((bad.apgr(), bad.cpt(0.5)), (0.25, Some(75.0)));
        assert!(Frontier::new(vec![0.0], &[(1.0, 1.0)]).is_none());
    }
}
