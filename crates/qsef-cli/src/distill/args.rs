use std::path::PathBuf;

use clap::{Args, Subcommand};
use qsef::distill::{compute::Compute, sample::Sampling};

#[derive(Debug, Subcommand)]
pub enum Distill {
    /// Train students in several ways over several seeds, and compare them
    #[command(after_help = DISTILL_HELP)]
    Run(DistillRun),
    /// Teach a small language model the answers of a file, such as a curriculum, by low-rank adapters (LoRA)
    #[command(after_help = TUNE_HELP)]
    Tune(DistillTune),
    /// Make an expert of a student: agents pick it up, running ones, too
    Export(DistillExport),
}

const DISTILL_HELP: &str = "\
The file is TOML: data, valid, test (JSON lines {\"text\",\"label\",\"split\"?}), out, steps, seeds, modes, and the tables [teacher],
[student], [train], [loss], [augment]; examples/distill/clinc150.toml has them all. With task = \"extract\" students find parts of texts: the
rows are {\"text\",\"spans\":[{\"start\",\"end\",\"label\"}],\"split\"?}, places counted in characters. A mode is none, kd or qsef-kd, and parts that are
switched on and off: kd+align, qsef-kd-resistance+semantic, kd+align=2+temperature=4. What is interrupted goes on where it stopped when
the same command is given again.";

#[derive(Debug, Args)]
pub struct DistillRun {
    /// The grid of runs
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where to compute: cpu, cuda, or cuda:1 for the second GPU [default: what the file says, else cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Compute>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

const TUNE_HELP: &str = "\
The rows are JSON lines {\"messages\":[{\"role\",\"content\"}]} whose last message is the answer; `qsef curriculum generate` writes such files, from
easy to hard. DIR gets model.gguf, which is a --model as any other file, log.jsonl, result.json and progress.jsonl (how the model does on each row:
`qsef curriculum generate --progress` reads it). What is interrupted goes on where it stopped when the same command is given again.

    qsef distill tune --data curriculum/train.jsonl --valid held-out.jsonl --out tuned
    qsef ask --model tuned/model.gguf \"…\"";

#[derive(Debug, Args)]
pub struct DistillTune {
    /// The rows to learn
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// Rows to choose the best step by [default: none, and the last step is taken]
    #[arg(long, value_name = "FILE")]
    pub valid: Option<PathBuf>,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The model that learns: a name from `qsef models list`, or a GGUF file
    #[arg(long, value_name = "NAME", default_value = "smollm2-135m")]
    pub base: PathBuf,
    /// Steps of the optimiser
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub steps: u64,
    /// Rows of a step
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub batch: usize,
    /// The highest rate of learning
    #[arg(long, value_name = "X", default_value_t = 5e-4)]
    pub rate: f64,
    /// How wide the adapters are
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub rank: usize,
    /// Which rows come when: uniform (in random order), dynamic (half of them by how hard they are for the model now), staged or progressive
    /// (from easy to hard, as the file is), or the controls reverse and random-paced
    #[arg(long, value_name = "HOW", default_value = "progressive")]
    pub order: Sampling,
    /// Rows of more tokens are left out
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub max_tokens: usize,
    /// Steps between validations, and between checkpoints
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub validate_every: u64,
    /// End after so many validations without a gain
    #[arg(long, value_name = "N")]
    pub patience: Option<u64>,
    /// Where to compute: cpu, cuda, or cuda:1 for the second GPU
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub device: Compute,
    /// The seed of all chance
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DistillExport {
    /// The grid that the student is of
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The student's mode [default: the one that is best on the validation rows]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// The student's seed [default: likewise]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The expert's id
    #[arg(long, value_name = "ID")]
    pub id: String,
    /// What it does, in a sentence or two: requests are routed by that
    #[arg(long, value_name = "TEXT")]
    pub description: String,
    /// The directory of experts [default: experts in $QSEF_HOME]
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
