//! The graph in files of others: triples in and out, and drawings.

mod diagram;
mod import;
mod ntriples;
mod svg;
mod tsv;

use std::{
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

pub use import::Imported;

use crate::graph::Graph;

/// A form of triples in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TripleFormat {
    /// Lines of subject, relation, object and, if need be, confidence, with tabs between.
    Tsv,
    /// N-Triples of the W3C. Concepts are `urn:qsef:concept:NAME`, their names labels; confidences are lost.
    NTriples,
}

impl TripleFormat {
    /// The form that a file's name tells.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_lowercase().as_str() {
            "tsv" | "txt" => Some(Self::Tsv),
            "nt" | "ntriples" => Some(Self::NTriples),
            _ => None,
        }
    }
}

impl Graph {
    /// Writes all relations.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_triples(&self, format: TripleFormat, to: &mut dyn Write) -> io::Result<()> {
        match format {
            TripleFormat::Tsv => tsv::write(self, to),
            TripleFormat::NTriples => ntriples::write(self, to),
        }
    }
}

/// What is wrong with a file, and where.
struct Fault {
    line: Option<usize>,
    field: Option<&'static str>,
    message: String,
}

/// A relation of a file.
struct Row {
    subject: String,
    relation: String,
    object: String,
    confidence: f32,
}
