use qsef_core::{Format, Modality, Payload};

/// A node of the graph: a format without its details, or a kind of signal that is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Text,
    Number,
    Boolean,
    Date,
    List,
    Table,
    Json,
    Yaml,
    Csv,
    MarkdownTable,
    Code,
    Fenced,
    Image,
    Audio,
}

impl Kind {
    /// None for a format of a later version of the contracts.
    pub(crate) fn of_format(format: &Format) -> Option<Self> {
        Some(match format {
            Format::Text => Self::Text,
            Format::Number => Self::Number,
            Format::Boolean => Self::Boolean,
            Format::Date => Self::Date,
            Format::List => Self::List,
            Format::Table => Self::Table,
            Format::Json => Self::Json,
            Format::Yaml => Self::Yaml,
            Format::Csv => Self::Csv,
            Format::MarkdownTable => Self::MarkdownTable,
            Format::Code(_) => Self::Code,
            Format::Fenced => Self::Fenced,
            Format::Image => Self::Image,
            Format::Audio => Self::Audio,
            _ => return None,
        })
    }

    pub(crate) fn of_modality(modality: Modality) -> Option<Self> {
        match modality {
            Modality::Image => Some(Self::Image),
            Modality::Audio => Some(Self::Audio),
            _ => None,
        }
    }

    pub(crate) fn of(payload: &Payload) -> Option<Self> {
        if payload.modality == Modality::Text {
            return Self::of_format(&payload.format);
        }
        Self::of_modality(payload.modality)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::List => "list",
            Self::Table => "table",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Csv => "csv",
            Self::MarkdownTable => "markdown_table",
            Self::Code => "code",
            Self::Fenced => "fenced",
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }
}
