//! Guesses what comes next from what came before (prompt-lookup decoding): answers of a planner repeat the request's words.

/// Tokens at the end that have to have come before, longest first.
const SAME: [usize; 3] = [4, 3, 2];

/// The most tokens that are guessed at once. More would make a pass through the layers cost more than one token's.
const MOST: usize = 8;

/// How many tokens are worth guessing: as many again as were right lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup {
    width: usize,
}

impl Default for Lookup {
    fn default() -> Self {
        Self { width: MOST / 2 }
    }
}

impl Lookup {
    /// The tokens that followed the last place where `tokens` had its present end; none where it never had.
    pub fn guess<'a>(&self, tokens: &'a [u32]) -> &'a [u32] {
        let followed = |same: usize| {
            let (before, end) = tokens.split_at_checked(tokens.len().checked_sub(same)?)?;
            let at = tokens.windows(same).take(before.len()).rposition(|window| window == end)?;
            tokens.get(at + same..)
        };
        let next = SAME.into_iter().find_map(followed).unwrap_or_default();
        next.get(..self.width.min(next.len())).unwrap_or_default()
    }

    /// Takes in how many of `guessed` tokens were right.
    pub fn learn(&mut self, guessed: usize, right: usize) {
        if guessed > 0 {
            self.width = (2 * right).clamp(2, MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_last_time_is_guessed() {
        let lookup = Lookup::default();
        assert_eq!(lookup.guess(&[1, 2, 3, 4, 5, 6, 7, 1, 2]), [3, 4, 5, 6]);
        // The longest end decides, then the last place.
        assert_eq!(lookup.guess(&[9, 1, 2, 8, 0, 1, 2, 7, 9, 1, 2]), [8, 0, 1, 2]);
        assert_eq!(lookup.guess(&[1, 2, 8, 1, 2, 7, 5, 1, 2]), [7, 5, 1, 2]);
        // What overlaps its own end goes on as it is.
        assert_eq!(lookup.guess(&[4, 5, 5, 5]), [5]);
        for none in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4]] {
            assert!(lookup.guess(none).is_empty());
        }
    }

    #[test]
    fn guesses_grow_while_they_are_right() {
        let mut lookup = Lookup::default();
        let tokens: Vec<u32> = (0..20).chain([0, 1]).collect();
        lookup.learn(4, 0);
        assert_eq!(lookup.guess(&tokens).len(), 2);
        lookup.learn(2, 2);
        assert_eq!(lookup.guess(&tokens).len(), 4);
        (0..3).for_each(|_| lookup.learn(8, 8));
        assert_eq!(lookup.guess(&tokens).len(), MOST);
        lookup.learn(0, 0);
        assert_eq!(lookup.guess(&tokens).len(), MOST);
    }
}
