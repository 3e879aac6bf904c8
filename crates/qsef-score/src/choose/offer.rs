use serde::{Deserialize, Serialize};

use super::AssignError;

/// Sums of numbers up to this size keep enough digits for the comparisons that an optimum needs.
const LARGEST: f64 = 1e12;

/// What one expert would do for a subtask, and what it would take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The probability that it does it well, in [0, 1]: TE, or a bandit's draw.
    pub te: f64,
    /// US dollars, 0 to 10¹².
    pub usd: f64,
    /// Tokens, prompt and answer together.
    pub tokens: u64,
    /// Seconds from its start to its end, 0 to 10¹².
    pub seconds: f64,
}

/// A subtask that has to go to exactly one of its offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// What doing it well is worth, 0 to 10¹², in the unit that `lambda` turns dollars into.
    pub value: f64,
    /// The experts to choose from, at least one. A fallback is one more offer.
    pub offers: Vec<Offer>,
    /// The slots that have to end before this one starts, by their place in the list of slots, from 0. No cycles.
    pub after: Vec<usize>,
}

/// The most that a plan may take. `None` means no limit, as does infinity.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// US dollars, ≥ 0.
    pub usd: Option<f64>,
    /// Tokens.
    pub tokens: Option<u64>,
    /// Seconds from the start of the plan to its end, ≥ 0: the longest path, since what nothing orders runs in
    /// parallel.
    pub seconds: Option<f64>,
}

/// Checks what the types cannot; messages count subtasks and offers from 1, as plans do.
pub(super) fn check(slots: &[Slot], limits: &Limits, lambda: f64) -> Result<(), AssignError> {
    let bad = |message: String| Err(AssignError::Input(message));
    let measure = |x: f64| (0.0..=LARGEST).contains(&x);
    for (name, limit) in [("money budget", limits.usd), ("deadline", limits.seconds)] {
        if let Some(limit) = limit
            && (limit.is_nan() || limit < 0.0)
        {
            return bad(format!("the {name} is {limit}; it has to be a number, 0 or more"));
        }
    }
    if !measure(lambda) {
        return bad(format!("the weight of cost is {lambda}; it has to be from 0 to 10¹²"));
    }
    for (number, slot) in (1..).zip(slots) {
        if slot.offers.is_empty() {
            return bad(format!("subtask {number} has no offers: no expert may do it"));
        }
        if !measure(slot.value) {
            return bad(format!("the value of subtask {number} is {}; it has to be from 0 to 10¹²", slot.value));
        }
        if let Some(before) = slot.after.iter().find(|b| **b >= slots.len()) {
            return bad(format!(
                "subtask {number} comes after subtask {}, which is not there",
                before.saturating_add(1)
            ));
        }
        for (place, offer) in (1..).zip(&slot.offers) {
            let at = format!("offer {place} of subtask {number}");
            if !(0.0..=1.0).contains(&offer.te) {
                return bad(format!("{at} has TE {}; it has to be in [0, 1]", offer.te));
            }
            if let Some((x, unit)) = [(offer.usd, "dollars"), (offer.seconds, "seconds")].iter().find(|m| !measure(m.0))
            {
                return bad(format!("{at} takes {x} {unit}; it has to be from 0 to 10¹²"));
            }
        }
    }
    Ok(())
}
