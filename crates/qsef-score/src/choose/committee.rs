use super::single::by_te;

/// More members than this are never seated: the chance of a majority is summed over all 2^K outcomes, and after the
/// first few members it hardly rises.
pub const MOST_MEMBERS: usize = 15;

/// One expert of a committee.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The expert's id.
    pub expert: String,
    /// Its transmission efficiency, in (0, 1].
    pub te: f64,
    /// Its weight in a vote or a weighted mean: `TE_i / Σ TE_j`, so that the weights sum to 1.
    pub weight: f64,
}

/// How many experts sit on a committee.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// The best K.
    Fixed(usize),
    /// The K that maximises `majority(best K) − gain·K`: each member has to raise the chance of a right majority by
    /// `gain` on average, a number ≥ 0 that says what asking one more expert is worth. Of equals the smallest K.
    /// Since an even committee gains nothing on the odd one below it, all K up to `most` are compared, not only each
    /// with the next.
    Grow {
        /// The most members.
        most: usize,
        /// The least gain per member, in probability.
        gain: f64,
    },
}

/// The experts with the highest TE, best first, ties by id (paper, section 6.4.3: top K, weights by TE). At most
/// [`MOST_MEMBERS`]; who has no chance (TE not above 0, or not a number) gets no seat; TE above 1 counts as 1.
pub fn committee<'a>(rated: impl IntoIterator<Item = (&'a str, f64)>, size: Size) -> Vec<Member> {
    let mut ranked: Vec<(&str, f64)> =
        rated.into_iter().filter(|(_, te)| *te > 0.0).map(|(id, te)| (id, te.min(1.0))).collect();
    ranked.sort_by(by_te);
    let seats = match size {
        Size::Fixed(k) => k,
        Size::Grow { most, gain } => grow(&ranked, most.min(MOST_MEMBERS), gain),
    };
    ranked.truncate(seats.min(MOST_MEMBERS));
    let total: f64 = ranked.iter().map(|(_, te)| te).sum();
    ranked.into_iter().map(|(id, te)| Member { expert: id.into(), te, weight: te / total }).collect()
}

fn grow(ranked: &[(&str, f64)], most: usize, gain: f64) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    let mut seated = Vec::new();
    for (k, (_, te)) in (1..=most).zip(ranked) {
        seated.push(*te);
        let worth = majority(&seated) - gain * k as f64;
        // Rounding is no reason to ask one more expert.
        if worth > best.1 + 1e-12 {
            best = (k, worth);
        }
    }
    best.0
}

/// The chance that a vote weighted by TE is right: the probability that the right members hold more than half of the
/// weight, a tie counting one half. `tes` are in [0, 1]; the result too, and 0 for no members.
///
/// Members are taken to err independently and all errors to agree, which is the worst case: wrong answers that differ
/// lose votes to the right one.
/// Time grows as 2^K.
pub fn majority(tes: &[f64]) -> f64 {
    let half = tes.iter().sum::<f64>() / 2.0;
    if half <= 0.0 {
        return 0.0;
    }
    let mut outcomes = vec![(0.0, 1.0)];
    for te in tes {
        outcomes = outcomes.into_iter().flat_map(|(held, p)| [(held + te, p * te), (held, p * (1.0 - te))]).collect();
    }
    let right = |held: f64| match held / half - 1.0 {
        lead if lead.abs() < 1e-9 => 0.5,
        lead => f64::from(lead > 0.0),
    };
    outcomes.into_iter().map(|(held, p)| p * right(held)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seats(tes: &[f64], size: Size) -> usize {
        let ids: Vec<String> = (0..tes.len()).map(|i| format!("e{i}")).collect();
        committee(ids.iter().map(String::as_str).zip(tes.iter().copied()), size).len()
    }

    #[test]
    fn three_equals_beat_one_and_two_do_not() {
        assert!((majority(&[0.7; 3]) - 0.784).abs() < 1e-12);
        assert!((majority(&[0.7; 2]) - 0.7).abs() < 1e-12);
        let grow = |gain| Size::Grow { most: 4, gain };
        assert_eq!(seats(&[0.7; 6], grow(0.0)), 3);
        assert_eq!(seats(&[0.7; 6], grow(0.05)), 1);
        // One strong expert is better alone than outvoted; weak ones are worse the more they are.
        assert_eq!(seats(&[0.95, 0.6, 0.6], grow(0.0)), 1);
        assert_eq!(seats(&[0.3; 5], grow(0.0)), 1);
        assert_eq!(seats(&[], grow(0.0)), 0);
        assert_eq!(seats(&[0.9, f64::NAN, 0.0, -1.0, 2.0], Size::Fixed(9)), 2);
        assert_eq!(seats(&[0.5; 40], Size::Fixed(40)), MOST_MEMBERS);
    }

    proptest! {
        #[test]
        fn weights_sum_to_one_and_order_does_not_matter(tes in prop::collection::vec(0.01..=1.0f64, 1..8), most in 1usize..8) {
            let ids: Vec<String> = (0..tes.len()).map(|i| format!("e{i}")).collect();
            let rated: Vec<(&str, f64)> = ids.iter().map(String::as_str).zip(tes).collect();
            let members = committee(rated.iter().copied(), Size::Grow { most, gain: 0.0 });
            prop_assert!((members.iter().map(|m| m.weight).sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert_eq!(&members, &committee(rated.iter().rev().copied(), Size::Grow { most, gain: 0.0 }));
            let chance = |k: usize| majority(&members.iter().take(k).map(|m| m.te).collect::<Vec<_>>());
            prop_assert!((1..members.len()).all(|k| chance(k) < chance(members.len())));
        }
    }
}
