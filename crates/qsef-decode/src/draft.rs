//! Guesses what comes next: from what the caller predicts, and from what came before (prompt-lookup decoding), because answers of
//! a planner repeat the request's words.

/// Tokens at the end that have to have come before, longest first.
const SAME: [usize; 3] = [4, 3, 2];

/// The most tokens that are guessed at once from what came before. Of these guesses fewer are right.
const MOST_REPEATED: usize = 7;

/// The most tokens that are guessed at once from a prediction.
const MOST_PREDICTED: usize = 32;

/// Rows that candle's kernels take at a time: a pass of 5 rows takes nearly as long as one of 8.
const ROWS: usize = 4;

/// How far on in the prediction an answer that went another way is looked for.
const WINDOW: usize = 24;

/// What is likely to come next, and how much of it is worth a try.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    prediction: Vec<u32>,
    /// How much of the prediction is behind.
    at: usize,
    /// Whether the answer left the prediction, and was not found in it again.
    lost: bool,
    width: usize,
}

impl Draft {
    /// `prediction` may be empty.
    pub fn new(prediction: Vec<u32>) -> Self {
        Self { prediction, at: 0, lost: false, width: MOST_PREDICTED / 2 }
    }

    /// At most `room` tokens that may follow `tokens`, the last `pending` of which go through the layers with them; none where
    /// there is nothing to go by.
    pub fn guess<'a>(&'a self, tokens: &'a [u32], pending: usize, room: usize) -> &'a [u32] {
        let ahead = self.prediction.get(self.at..).filter(|ahead| !self.lost && !ahead.is_empty());
        let (next, worth) = match ahead {
            Some(ahead) => (ahead, self.width.max(ROWS)),
            None => (repeated(tokens), self.width.min(MOST_REPEATED)),
        };
        let whole = (pending + worth).next_multiple_of(ROWS) - pending;
        next.get(..whole.min(room).min(next.len())).unwrap_or_default()
    }

    /// Takes in what was made.
    pub fn follow(&mut self, made: &[u32]) {
        for token in made {
            let ahead = self.prediction.get(self.at..).unwrap_or_default();
            let skipped = ahead.iter().take(WINDOW).position(|predicted| predicted == token);
            self.lost = skipped.is_none();
            self.at += skipped.map_or(0, |skipped| skipped + 1);
        }
    }

    /// Takes in how many of `guessed` tokens were right.
    pub fn learn(&mut self, guessed: usize, right: usize) {
        if guessed > 0 {
            self.width = (2 * right).clamp(2, MOST_PREDICTED);
        }
    }
}

/// The tokens that followed the last place where `tokens` had its present end; none where it never had.
fn repeated(tokens: &[u32]) -> &[u32] {
    let followed = |same: usize| {
        let (before, end) = tokens.split_at_checked(tokens.len().checked_sub(same)?)?;
        let at = tokens.windows(same).take(before.len()).rposition(|window| window == end)?;
        tokens.get(at + same..)
    };
    SAME.into_iter().find_map(followed).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_last_time_is_guessed() {
        assert_eq!(repeated(&[1, 2, 3, 4, 5, 6, 7, 1, 2]), [3, 4, 5, 6, 7, 1, 2]);
        // The longest end decides, then the last place.
        assert_eq!(repeated(&[9, 1, 2, 8, 0, 1, 2, 7, 9, 1, 2]), [8, 0, 1, 2, 7, 9, 1, 2]);
        assert_eq!(repeated(&[1, 2, 8, 1, 2, 7, 5, 1, 2]), [7, 5, 1, 2]);
        // What overlaps its own end goes on as it is.
        assert_eq!(repeated(&[4, 5, 5, 5]), [5]);
        for none in [&[][..], &[1], &[1, 2], &[1, 2, 3, 4]] {
            assert!(repeated(none).is_empty());
        }
    }

    #[test]
    fn a_prediction_is_followed_left_and_found_again() {
        let mut draft = Draft::new((0..40).collect());
        assert_eq!(draft.guess(&[], 1, 3), [0, 1, 2]);
        draft.follow(&[0, 1, 2]);
        assert_eq!(draft.guess(&[], 1, 2), [3, 4]);
        // Left out: 3 and 4.
        draft.follow(&[5]);
        assert_eq!(draft.guess(&[], 1, 2), [6, 7]);
        // Something else instead of 6: what came before is all there is to go by.
        draft.follow(&[99]);
        assert_eq!(draft.guess(&[7, 8, 9, 7, 8], 1, 2), [9, 7]);
        draft.follow(&[7]);
        assert_eq!(draft.guess(&[], 1, 2), [8, 9]);
        draft.follow(&(8..40).collect::<Vec<_>>());
        assert!(draft.guess(&[], 1, 2).is_empty());
    }

    #[test]
    fn guesses_grow_while_they_are_right_and_fill_whole_passes() {
        let mut draft = Draft::new((0..200).collect());
        assert_eq!(draft.guess(&[], 1, 99).len(), 19);
        draft.learn(19, 0);
        assert_eq!(draft.guess(&[], 1, 99).len(), 7);
        draft.learn(7, 7);
        assert_eq!(draft.guess(&[], 4, 99).len(), 16);
        draft.learn(0, 0);
        assert_eq!(draft.guess(&[], 4, 99).len(), 16);
        (0..5).for_each(|_| draft.learn(30, 30));
        assert_eq!(draft.guess(&[], 4, 99).len(), MOST_PREDICTED);
        draft.follow(&[999]);
        let again: Vec<u32> = (0..50).chain(0..4).collect();
        assert_eq!(draft.guess(&again, 1, 99).len(), MOST_REPEATED);
        draft.learn(8, 0);
        assert_eq!(draft.guess(&again, 1, 99).len(), 3);
    }
}
