use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Curriculum {
    /// Write texts, answers and topics in tiers, check them, and make a folder to train on
    #[command(after_help = HELP)]
    Generate(Box<Generate>),
}

const HELP: &str = "\
The folder has train.jsonl, stage-N.jsonl, the same as Parquet, preferences.jsonl, rejected.jsonl with reasons, dataset_info.json, manifest.json,
README.md, training.md (how to keep the order in each trainer) and report.html.

What was answered is kept in $QSEF_HOME/requests.sqlite3: after Ctrl-C, a crash or a change of settings nothing is paid for twice.

    qsef curriculum generate --input texts.jsonl --out curriculum
    qsef curriculum generate --input docs/ --model openai:gpt-4o-mini --concurrency 32 --out curriculum --dry-run
    qsef curriculum generate --topics topics.txt --tiers 3 --out curriculum";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("sources").required(true).multiple(true).args(["inputs", "topics", "kb"]))]
pub struct Generate {
    /// JSON lines with `text`, `messages`, or `question` and `answer`; a Markdown, text, HTML or PDF file; or a directory of these
    #[arg(long = "input", value_name = "PATH")]
    pub inputs: Vec<PathBuf>,
    /// A file of topics, one in each line, which the model writes about first
    #[arg(long, value_name = "FILE")]
    pub topics: Option<PathBuf>,
    /// What the knowledge base holds (`qsef kb add`)
    #[arg(long)]
    pub kb: bool,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many of the usual tiers: expert, practitioner, student, layperson [default: 4, or those of --config]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=4))]
    pub tiers: Option<u8>,
    /// A TOML file of settings: tiers, stages, the student, limits, filters; the options here go before it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What writes the tiers, as for `qsef ask`
    #[arg(long, value_name = "NAME", default_value = qsef::DEFAULT_MODEL)]
    pub model: String,
    /// What judges them [default: the model that writes]
    #[arg(long, value_name = "NAME", conflicts_with = "no_judge")]
    pub judge: Option<String>,
    /// Have no model judge them; what is measured is checked all the same
    #[arg(long)]
    pub no_judge: bool,
    /// What measures the distance of meanings: as for `qsef kb add`, or `none` for words alone
    #[arg(long, value_name = "NAME", default_value = qsef::DEFAULT_EMBEDDER)]
    pub embedder: String,
    /// Only the first N items
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Only the N items that differ most
    #[arg(long, value_name = "N")]
    pub diverse: Option<usize>,
    /// Leave out what an evaluation file has: JSON lines or text
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Take e-mail addresses, telephone numbers, keys and the like out of the sources
    #[arg(long)]
    pub scrub: bool,
    /// The licence of what names none
    #[arg(long, value_name = "NAME")]
    pub licence: Option<String>,
    /// A student's losses or answers, as JSON lines: rows that it finds hard are drawn more often
    #[arg(
        long,
        value_name = "FILE",
        help = r#"A student's progress, JSON lines {"id","loss"} or {"id","correct"}: what it finds hard is drawn more often"#
    )]
    pub progress: Option<PathBuf>,
    /// Have the model answer each row and keep the K likeliest tokens of each place, for distillation of logits
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u8).range(1..=20))]
    pub teacher_logprobs: Option<u8>,
    /// The same seed gives the same files
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Requests at a time [default: 4; for a model of an endpoint 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: Option<u16>,
    /// The file of answers that are not paid for again [default: $QSEF_HOME/requests.sqlite3]
    #[arg(long, value_name = "FILE")]
    pub cache: Option<PathBuf>,
    /// Go on in a folder where this job was interrupted
    #[arg(long)]
    pub resume: bool,
    /// Say what it would take, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
