use serde::{Deserialize, Serialize};

/// Where in its document something stands. Numbers count from 1, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Lines of a text file.
    Lines(u32, u32),
    /// Pages of a PDF file.
    Pages(u32, u32),
}

impl Place {
    /// A place that begins where this one does and ends where `other` does; of another kind, this one.
    pub(crate) fn to(self, other: Self) -> Self {
        match (self, other) {
            (Self::Lines(a, b), Self::Lines(_, c)) => Self::Lines(a, b.max(c)),
            (Self::Pages(a, b), Self::Pages(_, c)) => Self::Pages(a, b.max(c)),
            _ => self,
        }
    }

    /// First, last, and whether they are pages: as the base keeps it.
    pub(crate) fn columns(self) -> (u32, u32, bool) {
        match self {
            Self::Lines(a, b) => (a, b, false),
            Self::Pages(a, b) => (a, b, true),
        }
    }

    pub(crate) fn of_columns(first: u32, last: u32, is_page: bool) -> Self {
        if is_page { Self::Pages(first, last) } else { Self::Lines(first, last) }
    }
}

/// As a citation has it after the file's name: `:12`, `:12-18`, ` p. 3`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Lines(a, b) if a == b => write!(f, ":{a}"),
            Self::Lines(a, b) => write!(f, ":{a}-{b}"),
            Self::Pages(a, b) if a == b => write!(f, " p. {a}"),
            Self::Pages(a, b) => write!(f, " pp. {a}-{b}"),
        }
    }
}
