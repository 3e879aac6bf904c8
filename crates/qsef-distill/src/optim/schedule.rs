use serde::{Deserialize, Serialize};

/// How the rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Decay {
    /// It does not.
    Constant,
    /// In a line to 0.
    #[default]
    Linear,
    /// Along half a cosine to 0.
    Cosine,
}

/// The rate of learning over the steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f64,
    /// Steps in which it rises to that.
    pub warm_up: u64,
    /// Steps of all.
    pub steps: u64,
    /// How it falls.
    pub decay: Decay,
}

impl Schedule {
    /// The rate of a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warm_up {
            return self.rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let rest = self.steps.saturating_sub(self.warm_up).max(1) as f64;
        let done = ((step - self.warm_up) as f64 / rest).min(1.0);
        self.rate
            * match self.decay {
                Decay::Constant => 1.0,
                Decay::Linear => 1.0 - done,
                Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let schedule = Schedule { rate: 1.0, warm_up: 10, steps: 110, decay: Decay::Linear };
        assert_eq!(schedule.at(0), 0.1);
        assert_eq!(schedule.at(9), 1.0);
        assert_eq!(schedule.at(60), 0.5);
        assert!(schedule.at(109) > 0.0 && schedule.at(109) < 0.02);
        assert!((Schedule { decay: Decay::Cosine, ..schedule }.at(60) - 0.5).abs() < 1e-9);
    }
}
