//! How hard a text is to learn: the paper's cultural resistance `R = w_d·C_data + w_m·C_model + w_s·C_sparsity` (section 6.2).

use std::collections::HashMap;

use crate::text::Tokens;

/// The weights of the three parts.
const DATA: f32 = 0.25;
const MODEL: f32 = 0.5;
const SPARSITY: f32 = 0.25;

/// Brings numbers to their ranks' share, in [0, 1]; equal numbers have their mean rank.
fn ranks(values: &[f32]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let at = |i: usize| values.get(i).copied().unwrap_or_default();
    order.sort_by(|a, b| at(*a).total_cmp(&at(*b)));
    let mut ranks = vec![0.0; values.len()];
    let last = values.len().saturating_sub(1).max(1) as f32;
    let mut rest = order.as_slice();
    let mut before = 0;
    while let Some(first) = rest.first() {
        let equal = rest.iter().take_while(|i| at(**i).total_cmp(&at(*first)).is_eq()).count();
        let rank = (before as f32 + (equal as f32 - 1.0) / 2.0) / last;
        let (same, after) = rest.split_at(equal);
        for place in same {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        before += equal;
        rest = after;
    }
    ranks
}

/// Each text's resistance in [0, 1], before anything is learnt. `doubt` is how sure the teacher is not, one minus its probability for the
/// class that is learnt, or for those of its words on average; without a teacher it is left out. Tokens that are rare in the texts make a text sparse. Parts are ranks among the texts,
/// so none drowns another.
pub fn resistance(texts: &[&str], tokens: &[Tokens], doubt: Option<&[f32]>) -> Vec<f32> {
    let data: Vec<f32> = texts.iter().map(|text| qsef_score::complexity::complexity(text).overall() as f32).collect();
    let mut counts: HashMap<u32, usize> = HashMap::new();
    tokens.iter().flat_map(|text| &text.ids).for_each(|token| *counts.entry(*token).or_default() += 1);
    let rare = |token: &u32| -(counts.get(token).copied().unwrap_or(1) as f32).ln();
    let sparsity: Vec<f32> =
        tokens.iter().map(|text| text.ids.iter().map(rare).sum::<f32>() / text.ids.len().max(1) as f32).collect();
    let (data, sparsity) = (ranks(&data), ranks(&sparsity));
    let sum = |i: usize, of: &[f32]| of.get(i).copied().unwrap_or_default();
    let doubt = doubt.map(ranks);
    (0..texts.len())
        .map(|i| {
            let plain = DATA * sum(i, &data) + SPARSITY * sum(i, &sparsity);
            match &doubt {
                Some(doubt) => plain + MODEL * sum(i, doubt),
                None => plain / (DATA + SPARSITY),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_share_a_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 9.0]), [0.5, 0.0, 0.5, 1.0]);
        assert_eq!(ranks(&[2.0]), [0.0]);
    }

    #[test]
    fn rare_words_and_doubt_resist() {
        let texts = ["pay my bill", "pay my bill", "amortise the principal"];
        let tokens = [[1, 2, 3], [1, 2, 3], [4, 5, 6]].map(|ids| Tokens { ids: ids.into(), words: Vec::new() });
        let plain = resistance(&texts, &tokens, None);
        assert!(plain[2] > plain[0] && plain[0] == plain[1]);
        let doubted = resistance(&texts, &tokens, Some(&[0.9, 0.1, 0.1]));
        assert!(doubted[0] > doubted[1]);
    }
}
