use crate::place::Place;

/// The lines of a text by the offsets of their bytes.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    /// The line, from 1, that an offset is in.
    pub fn line(&self, offset: usize) -> u32 {
        self.0.partition_point(|start| *start <= offset) as u32
    }

    /// The lines from one offset to the one before `end`.
    pub fn place(&self, start: usize, end: usize) -> Place {
        Place::Lines(self.line(start), self.line(end.saturating_sub(1).max(start)))
    }
}
