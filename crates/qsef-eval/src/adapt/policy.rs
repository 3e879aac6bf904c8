use qsef_core::Result;
use qsef_score::adapt::{Bandit, Candidate, Rule, Settings};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::world::{Chance, LAMBDA, NEWCOMER, World, oracle};

/// Forced trials of the new expert, where a policy has them.
const TRIALS: u32 = 10;

/// How often ε-greedy chooses at random.
const EPSILON: f64 = 0.05;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    StaticTe,
    Greedy,
    EpsilonGreedy,
    UcbNoAlarm,
    Ucb,
    Thompson,
    Oracle,
}

impl Kind {
    pub const ALL: [Self; 7] =
        [Self::StaticTe, Self::Greedy, Self::EpsilonGreedy, Self::UcbNoAlarm, Self::Ucb, Self::Thompson, Self::Oracle];

    pub fn name(self) -> &'static str {
        match self {
            Self::StaticTe => "static-te",
            Self::Greedy => "greedy-no-forgetting",
            Self::EpsilonGreedy => "epsilon-greedy",
            Self::UcbNoAlarm => "bandit-ucb-no-alarm",
            Self::Ucb => "bandit-ucb",
            Self::Thompson => "bandit-thompson",
            Self::Oracle => "oracle",
        }
    }
}

/// A policy at work in a world.
pub(super) struct Policy {
    kind: Kind,
    bandit: Bandit,
    rng: ChaCha8Rng,
}

impl Policy {
    pub fn new(kind: Kind, world: &World, seed: u64) -> Result<Self> {
        let defaults = Settings::default();
        let mean = Rule::Ucb { width: 0.0 };
        let settings = match kind {
            Kind::Ucb => defaults,
            Kind::UcbNoAlarm => Settings { alarm: None, ..defaults },
            Kind::Thompson => Settings { rule: Rule::Thompson, spread: 20.0, ..defaults },
            Kind::EpsilonGreedy => Settings { rule: mean, ..defaults },
            Kind::StaticTe | Kind::Greedy | Kind::Oracle => {
                Settings { rule: mean, gamma: 1.0, alarm: None, ..defaults }
            }
        };
        let mut bandit = Bandit::new(settings, seed)?;
        for expert in world.founders() {
            bandit.add(expert, 0);
        }
        Ok(Self { kind, bandit, rng: ChaCha8Rng::seed_from_u64(seed) })
    }

    pub fn arrive(&mut self) {
        let trials = if matches!(self.kind, Kind::UcbNoAlarm | Kind::Ucb | Kind::Thompson) { TRIALS } else { 0 };
        self.bandit.add(NEWCOMER, trials);
    }

    pub fn remove(&mut self, expert: &str) {
        self.bandit.remove(expert);
    }

    /// The place of the chosen expert.
    pub fn choose(&mut self, chances: &[Chance<'_>]) -> usize {
        let candidates: Vec<Candidate<'_>> = chances.iter().map(|c| c.candidate).collect();
        let explores = self.explores();
        let chosen = match self.kind {
            Kind::Oracle => oracle(chances),
            _ if explores => Some(self.rng.random_range(0..chances.len())),
            _ => self.bandit.choose(&candidates, LAMBDA),
        };
        chosen.unwrap_or(0)
    }

    fn explores(&mut self) -> bool {
        self.kind == Kind::EpsilonGreedy && self.rng.random_bool(EPSILON)
    }

    /// The place of the expert that would be chosen without exploration.
    pub fn greedy(&self, chances: &[Chance<'_>]) -> usize {
        if self.kind == Kind::Oracle {
            return oracle(chances).unwrap_or(0);
        }
        let worth = |c: &Candidate<'_>| self.bandit.mean(c.expert, c.te).unwrap_or(0.0) - LAMBDA * c.usd;
        let ranked = chances.iter().map(|c| worth(&c.candidate)).enumerate();
        ranked.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(i, _)| i)
    }

    /// What each expert counts for when tasks are assigned together.
    pub fn indices(&mut self, chances: &[Chance<'_>]) -> Vec<f64> {
        if self.kind == Kind::Oracle {
            return chances.iter().map(|c| c.p).collect();
        }
        if self.explores() {
            return chances.iter().map(|_| self.rng.random()).collect();
        }
        let candidates: Vec<Candidate<'_>> = chances.iter().map(|c| c.candidate).collect();
        self.bandit.sample(&candidates).into_iter().map(|chance| chance.unwrap_or(0.0)).collect()
    }

    pub fn observe(&mut self, candidate: &Candidate<'_>, outcome: f64) -> Result<()> {
        match self.kind {
            Kind::StaticTe | Kind::Oracle => Ok(()),
            _ => self.bandit.observe(candidate.expert, candidate.te, outcome),
        }
    }
}
