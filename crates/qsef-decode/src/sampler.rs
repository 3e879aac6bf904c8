/// Chooses tokens from logits: the likeliest at temperature 0, else drawn with a seeded generator.
#[derive(Debug)]
pub struct Sampler {
    temperature: f32,
    state: u64,
}

impl Sampler {
    /// A sampler of this temperature; at 0, negative or infinite ones it is greedy.
    pub fn new(temperature: f32, seed: u64) -> Self {
        Self { temperature, state: seed }
    }

    /// Whether it always takes the likeliest token.
    pub fn is_greedy(&self) -> bool {
        self.temperature <= 0.0 || !self.temperature.is_finite()
    }

    /// Chooses one token; None when every logit is −∞ or NaN.
    pub fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        let (best, top) = likeliest(logits)?;
        if self.is_greedy() {
            return Some(best);
        }
        let temperature = self.temperature;
        let weight = |logit: f32| if logit.is_finite() { f64::from((logit - top) / temperature).exp() } else { 0.0 };
        let total: f64 = logits.iter().map(|l| weight(*l)).sum();
        let mut left = self.uniform() * total;
        for (token, logit) in logits.iter().enumerate() {
            left -= weight(*logit);
            if left < 0.0 {
                return Some(token as u32);
            }
        }
        Some(best)
    }

    /// A number in [0, 1) (SplitMix64).
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The first token with the highest finite logit.
fn likeliest(logits: &[f32]) -> Option<(u32, f32)> {
    let mut best: Option<(u32, f32)> = None;
    for (token, logit) in logits.iter().enumerate() {
        if logit.is_finite() && best.is_none_or(|(_, top)| *logit > top) {
            best = Some((token as u32, *logit));
        }
    }
    best
}

/// Natural-log probabilities of `token` and of the `count` likeliest tokens, best first.
pub(crate) fn logprobs(logits: &[f32], token: u32, count: usize) -> (f32, Vec<(u32, f32)>) {
    let top = likeliest(logits).map_or(0.0, |(_, top)| top);
    let total: f64 = logits.iter().filter(|l| l.is_finite()).map(|l| f64::from(l - top).exp()).sum();
    let norm = f64::from(top) + total.ln();
    let ln = |logit: f32| (f64::from(logit) - norm) as f32;
    let mut ranked: Vec<(u32, f32)> =
        logits.iter().enumerate().filter(|(_, l)| l.is_finite()).map(|(t, l)| (t as u32, *l)).collect();
    let count = count.min(ranked.len());
    if count > 0 && count < ranked.len() {
        ranked.select_nth_unstable_by(count - 1, |a, b| b.1.total_cmp(&a.1));
    }
    ranked.truncate(count);
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let own = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    (ln(own), ranked.into_iter().map(|(t, l)| (t, ln(l))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_ignores_what_is_masked() {
        let mut sampler = Sampler::new(0.0, 1);
        assert_eq!(sampler.choose(&[1.0, f32::NEG_INFINITY, 3.0, 3.0]), Some(2));
        assert_eq!(sampler.choose(&[f32::NEG_INFINITY]), None);
    }

    #[test]
    fn sampling_follows_the_distribution_and_the_seed() {
        let draw = |seed| {
            let mut sampler = Sampler::new(1.0, seed);
            (0..4000).map(|_| sampler.choose(&[3f32.ln(), 0.0, f32::NEG_INFINITY]).unwrap()).collect::<Vec<_>>()
        };
        let share = draw(7).iter().filter(|t| **t == 0).count() as f64 / 4000.0;
        assert!((share - 0.75).abs() < 0.03, "{share}");
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn logprobs_sum_to_one() {
        let (own, top) = logprobs(&[0.0, 1.0, 2.0, f32::NEG_INFINITY], 1, 3);
        assert_eq!(top.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(own, top[1].1);
        assert!((top.iter().map(|(_, p)| p.exp()).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
