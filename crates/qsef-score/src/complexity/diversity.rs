//! Lexical diversity.

use super::reading::Reading;

/// The type-token ratio at which a factor is complete (McCarthy & Jarvis 2010).
const THRESHOLD: f64 = 0.72;

/// The measure of textual lexical diversity, in words: the mean length of the stretches that keep a type-token ratio
/// above 0.72, over both directions. It is at most the text's length, so that a short text without repetition does not
/// count as infinitely diverse.
pub(super) fn mtld(reading: &Reading) -> f64 {
    let forwards = factors(reading.words.iter().map(|w| w.kind), reading.kinds.len());
    let backwards = factors(reading.words.iter().rev().map(|w| w.kind), reading.kinds.len());
    let words = reading.words.len() as f64;
    (words / forwards.max(1.0) + words / backwards.max(1.0)) / 2.0
}

fn factors(words: impl Iterator<Item = usize>, kinds: usize) -> f64 {
    // The stretch in which each type was last seen; clearing a set for each stretch would not be linear.
    let mut seen = vec![0; kinds];
    let (mut stretch, mut tokens, mut types) = (1, 0, 0);
    let mut ratio = 1.0;
    for kind in words {
        tokens += 1;
        if let Some(last) = seen.get_mut(kind).filter(|last| **last != stretch) {
            *last = stretch;
            types += 1;
        }
        ratio = f64::from(types) / f64::from(tokens);
        if ratio <= THRESHOLD {
            stretch += 1;
            (tokens, types, ratio) = (0, 0, 1.0);
        }
    }
    f64::from(stretch - 1) + (1.0 - ratio) / (1.0 - THRESHOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtld_follows_its_definition() {
        let mtld = |text: &str| mtld(&Reading::new(text));
        assert_eq!(mtld(""), 0.0);
        // No repetition: the length.
        assert_eq!(mtld("one two three four five"), 5.0);
        // A factor at every second word.
        assert_eq!(mtld("a a a a a a"), 2.0);
        // Forwards a factor is full at "a b a" (2/3) and at "b a b"; backwards likewise.
        assert_eq!(mtld("a b a b a b"), 3.0);
        // Less than a factor, 0.2 / 0.28, counts as one.
        assert_eq!(mtld("a b c c d"), 5.0);
        // Forwards "x x", "x x" and a rest of 0.25 / 0.28 factors; backwards "a c b a x x" and "x x".
        assert!((mtld("x x x x a b c a") - (8.0 / (2.0 + 0.25 / 0.28) + 8.0 / 2.0) / 2.0).abs() < 1e-9);
    }
}
