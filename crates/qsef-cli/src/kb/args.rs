use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Kb {
    /// Add files, and all documents below directories; only what is new or has changed is read
    Add(Add),
    /// Find pieces of documents by their words and their meaning
    Search(Search),
    /// Show what a concept is related to
    Graph(Graph),
    /// Say how much there is
    Stats {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// List what was added
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove files, or all below directories, with what only they tell
    Remove {
        /// As `qsef kb list` shows them
        #[arg(required = true, value_name = "PATH")]
        sources: Vec<String>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Take triples of a file into the graph
    Import {
        /// Lines of subject, relation, object and, if need be, confidence with tabs between (.tsv, .txt), or N-Triples (.nt)
        file: PathBuf,
        /// The form, where the file's name does not tell
        #[arg(long, value_name = "FORM")]
        form: Option<Form>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write the graph's relations as triples
    Export {
        /// The file; `-` for standard output
        file: PathBuf,
        /// The form, where the file's name does not tell
        #[arg(long, value_name = "FORM")]
        form: Option<Form>,
    },
    /// Have a model read relations from documents that it has not read yet; slow, and finds more than the rules that `add` reads by
    Extract(Extract),
    /// Add the answer of an earlier run: a search finds it, and the graph learns from it, with half the trust of a document
    Remember {
        /// The trace's id, the beginning of one, or `last`
        trace: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Learn places for the graph's concepts (TransE, RotatE), so that their distance counts in the score
    Learn(Learn),
}

#[derive(Debug, Args)]
pub struct Add {
    /// Files and directories. Markdown, text, HTML, PDF, CSV, JSON lines and source code are read; hidden files and those of
    /// .gitignore are passed over
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What makes vectors of the pieces, in a new base: a name from `qsef models list`, openai:NAME or fastembed:NAME
    #[arg(long, value_name = "NAME", conflicts_with = "words_only")]
    pub embedder: Option<String>,
    /// Make no vectors: faster, but found by words alone. Adding again without this makes up for it
    #[arg(long)]
    pub words_only: bool,
    /// Read no concepts and relations from the documents
    #[arg(long)]
    pub no_graph: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Search {
    /// What to look for
    pub query: String,
    /// At most so many pieces
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// By which part
    #[arg(long, value_name = "PART", default_value = "fused")]
    pub by: By,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// Words and meaning together
    Fused,
    /// Words (BM25)
    Words,
    /// Meaning (vectors)
    Meaning,
}

#[derive(Debug, Args)]
pub struct Graph {
    /// The concept; case and the plural do not count
    pub concept: String,
    /// Steps to go
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=6))]
    pub hops: u8,
    /// At most so many concepts: those along the surest relations
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(2..=2000))]
    pub limit: u16,
    /// Show the shortest path to this concept, and what is above both
    #[arg(long, value_name = "CONCEPT", conflicts_with_all = ["sources", "svg", "dot", "mermaid"])]
    pub to: Option<String>,
    /// Show where each relation is said
    #[arg(long)]
    pub sources: bool,
    /// Write a picture
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write it for Graphviz
    #[arg(long, value_name = "FILE")]
    pub dot: Option<PathBuf>,
    /// Write it for Mermaid
    #[arg(long, value_name = "FILE")]
    pub mermaid: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Form {
    /// Tab-separated
    Tsv,
    /// N-Triples
    Nt,
}

#[derive(Debug, Args)]
pub struct Learn {
    /// What relations do to places
    #[arg(long, value_name = "MODEL", default_value = "rotate")]
    pub model: Geometry,
    /// Times that each relation is seen
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub epochs: Option<u32>,
    /// The same seed gives the same places
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Geometry {
    /// They move them
    Transe,
    /// They turn them
    Rotate,
}

#[derive(Debug, Args)]
pub struct Extract {
    /// The model, as for `qsef ask`
    #[arg(long, value_name = "NAME", default_value = qsef::DEFAULT_MODEL)]
    pub model: String,
    /// At most so many pieces
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Only what is from this file or below this directory
    #[arg(long, value_name = "PATH")]
    pub source: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
