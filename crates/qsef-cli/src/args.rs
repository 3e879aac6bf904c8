use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use qsef::{
    Budget,
    cassette::{Cassette, Mode, Scrubber},
    run::{Integration, Method},
};

use crate::{curriculum::args::Curriculum, distill::args::Distill, kb::args::Kb, trace};

/// Plans a request, gives each part to the expert that fits best, and joins the answer.
#[derive(Debug, Parser)]
#[command(
    name = "qsef",
    version,
    arg_required_else_help = true,
    after_help = "\
Models and saved state live in $QSEF_HOME; QSEF_LOG=debug shows what happens. Exit codes: 0 done, 1 the work failed, 2 bad usage or input,
3 budget or deadline exhausted (what is done is printed)."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer one request
    Ask(Ask),
    /// Talk in a session that keeps the conversation
    Chat(Common),
    /// The experts of an agent
    #[command(subcommand)]
    Experts(Experts),
    /// The models that qsef knows
    #[command(subcommand)]
    Models(Models),
    /// What was recorded of earlier runs
    #[command(subcommand)]
    Trace(Trace),
    /// Documents to search and answer from, and the graph of their concepts
    #[command(subcommand)]
    Kb(Kb),
    /// Say how good an answer was; later choices learn from it
    Feedback(Feedback),
    /// Serve an agent to other programs, over the Model Context Protocol
    #[command(after_help = MCP_HELP)]
    Mcp(Mcp),
    /// Make data to train small models on: the same knowledge in tiers
    #[command(subcommand)]
    Curriculum(Curriculum),
    /// Train small experts from large ones
    #[command(subcommand)]
    Distill(Distill),
    /// Measure quality on a data set
    #[command(subcommand)]
    Eval(Eval),
    /// Measure speed
    #[command(subcommand)]
    Bench(Bench),
}

const MCP_HELP: &str = "\
It speaks the protocol on standard input and output, and logs to standard error. The tool `ask` does a whole request. To add it to a
client, give the client this command:
    claude mcp add qsef -- qsef mcp
or, in a client's JSON file:
    {\"mcpServers\": {\"qsef\": {\"command\": \"qsef\", \"args\": [\"mcp\", \"--agent\", \"default\"]}}}";

#[derive(Debug, Args)]
pub struct Mcp {
    #[command(flatten)]
    pub common: Common,
    /// Offer each expert as a tool, too, but those that need a person's approval
    #[arg(long)]
    pub experts: bool,
}

#[derive(Debug, Args)]
pub struct Common {
    /// The agent: a TOML file, or a name: agents/NAME.toml here or in $QSEF_HOME, or `default`
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub agent: String,
    /// The planner's model: a name from `qsef models list`, a GGUF file, openai:NAME for one behind OPENAI_BASE_URL, or
    /// llamacpp:NAME or mistralrs:NAME for one on llama.cpp or mistral.rs where that is built in
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

#[derive(Debug, Args)]
pub struct Ask {
    /// The request; `-` reads it from standard input. With --replay it may be left out: it is the recorded one
    #[arg(required_unless_present = "replay")]
    pub query: Option<String>,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub limits: Limits,
    /// Have so many experts do each subtask, where so many fit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=15))]
    pub committee: Option<u8>,
    /// How what a committee makes becomes one: the vote of most, the mean of numbers, or a text of the planner's model
    #[arg(long, value_name = "HOW", default_value = "vote", requires = "committee")]
    pub integrate: Integrate,
    /// Have the planner's model judge what models made, so that the next choice of experts knows
    #[arg(long, conflicts_with = "plan_only")]
    pub judge: bool,
    /// Have the planner's model write one text of the results, each sentence checked against the subtasks that it comes from
    #[arg(long)]
    pub compose: bool,
    /// Show every expert's score for each subtask, part by part
    #[arg(long)]
    pub explain: bool,
    /// Plan and assign, but run nothing
    #[arg(long)]
    pub plan_only: bool,
    /// Record what models are asked and answer in this file, such as for a report of a fault; secrets are taken out of the request
    /// before, and earlier runs do not count
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replay", "judge"])]
    pub record: Option<PathBuf>,
    /// Play back what was recorded in this file: no model is called. Other requests to models than the recorded ones fail
    #[arg(long, value_name = "FILE", conflicts_with = "judge")]
    pub replay: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Integrate {
    Vote,
    Mean,
    Synthesis,
}

impl Ask {
    /// The cassette that is asked for.
    pub fn cassette(&self) -> qsef::Result<Option<Cassette>> {
        let (path, mode) = match (&self.record, &self.replay) {
            (Some(path), _) => (path, Mode::Record),
            (None, Some(path)) => (path, Mode::Replay),
            (None, None) => return Ok(None),
        };
        Cassette::with(path, mode, Scrubber::new()?).map(Some)
    }

    /// The committee that is asked for.
    pub fn committee(&self) -> Option<Integration> {
        let method = match self.integrate {
            Integrate::Vote => Method::Vote,
            Integrate::Mean => Method::Mean,
            Integrate::Synthesis => Method::Synthesis,
        };
        self.committee.map(|size| Integration { size: usize::from(size), method })
    }
}

#[derive(Debug, Args)]
pub struct Limits {
    /// The most money to spend, in US dollars
    #[arg(long, value_name = "X", value_parser = dollars, allow_negative_numbers = true)]
    pub budget_usd: Option<f64>,
    /// The most tokens to use, prompts and answers together
    #[arg(long, value_name = "N")]
    pub budget_tokens: Option<u64>,
    /// The most calls of experts and models
    #[arg(long, value_name = "N")]
    pub budget_calls: Option<u64>,
    /// When to stop, such as 30s or 2m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub deadline: Option<Duration>,
}

impl Limits {
    /// The budget that they set.
    pub fn budget(&self) -> Budget {
        let mut budget = Budget::default();
        (budget.usd, budget.time) = (self.budget_usd, self.deadline);
        (budget.tokens, budget.calls) = (self.budget_tokens, self.budget_calls);
        budget
    }
}

fn dollars(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err("a budget is a number of dollars, 0 or more".into()) }
}

#[derive(Debug, Subcommand)]
pub enum Experts {
    /// List the experts of an agent
    List {
        #[arg(long, value_name = "NAME", default_value = "default")]
        agent: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one expert's profile
    Show {
        /// The expert's id
        id: String,
        #[arg(long, value_name = "NAME", default_value = "default")]
        agent: String,
    },
    /// Check an agent file
    Check {
        /// The TOML file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum Models {
    /// List the models that qsef knows
    List {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model
    Pull {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum Trace {
    /// List the newest runs
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Show one run: its subtasks, their experts and how they turned out
    Show {
        /// The trace's id, the beginning of one, or `last`
        id: String,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Go on with a run that was interrupted, reached a limit, failed in part, or waits for an approval
    Resume(Resume),
    /// Have the planner's model judge what models made in a run
    Judge {
        /// The trace's id, the beginning of one, or `last`
        id: String,
        #[command(flatten)]
        common: Common,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Resume {
    /// The trace's id, the beginning of one, or `last`
    pub id: String,
    #[command(flatten)]
    pub common: Common,
    /// Let this subtask run, which waits for an approval
    #[arg(long, value_name = "SUBTASK")]
    pub approve: Vec<usize>,
    /// Do not let this subtask run
    #[arg(long, value_name = "SUBTASK")]
    pub deny: Vec<usize>,
    /// Let this subtask do something else, such as 2="send it tomorrow"
    #[arg(long, value_name = "SUBTASK=TASK", value_parser = edit)]
    pub edit: Vec<(usize, String)>,
    #[command(flatten)]
    pub limits: Limits,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

fn edit(text: &str) -> Result<(usize, String), String> {
    let parts = text.split_once('=').and_then(|(id, task)| Some((id.trim().parse().ok()?, task.trim().to_owned())));
    parts
        .filter(|(_, task)| !task.is_empty())
        .ok_or_else(|| "give the subtask and what it is to do: 2=\"wave\"".to_owned())
}

#[derive(Debug, Args)]
pub struct Feedback {
    /// The trace's id, the beginning of one, or `last`
    pub trace: String,
    /// Only this subtask; otherwise all that ran to their end
    pub subtask: Option<usize>,
    /// From 0 (of no use) to 1 (just right)
    #[arg(long, value_name = "X", value_parser = trace::score, allow_negative_numbers = true)]
    pub score: f64,
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Eval {
    /// How well requests are planned: nodes and edges against gold graphs
    Plan(EvalPlan),
    /// How well the complexity of texts follows their reading levels
    Readability(EvalReadability),
    /// How well requests are routed: quality and price of policies that choose one expert per request
    Route(EvalRoute),
    /// How well requests are recognised by intent, and those that are none of them
    Intent(EvalIntent),
    /// How well routing adapts when experts change: policies in a simulated world
    Adapt(EvalAdapt),
}

#[derive(Debug, Args)]
pub struct EvalIntent {
    /// JSON lines to learn from
    #[arg(
        long,
        value_name = "FILE",
        help = r#"JSON lines to learn from: {"text","label","split"?}; label oos = out of scope; split val = for the threshold only"#
    )]
    pub train: PathBuf,
    /// JSON lines of the same form to test on; of a file with splits, the split test
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EvalAdapt {
    /// Worlds to average over
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub seeds: u64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EvalPlan {
    /// JSON lines: {"id","description","usd_per_mtok"?,"params_b"?,"parameters"?}
    #[arg(long, value_name = "FILE")]
    pub experts: PathBuf,
    /// JSON lines of cases
    #[arg(long, value_name = "FILE", help = r#"JSON lines: {"id","query","nodes":[id],"edges":[[a,b]]}"#)]
    pub cases: PathBuf,
    /// The planner's model
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// JSON lines of cases whose graphs are known beforehand, to learn from; none of them should be among the cases
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Leave out a part of planning, to see what it is worth
    #[arg(long, value_name = "PART")]
    pub without: Option<Without>,
    /// Only the first N cases
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Write each case's plan to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub details: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// See `qsef::eval::plan::Without`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Without {
    /// The model's choice among experts that are close
    Choice,
    /// All of the model's part in completion
    Unfolding,
    /// Completion
    Completion,
}

impl From<Without> for qsef::eval::plan::Without {
    fn from(without: Without) -> Self {
        match without {
            Without::Choice => Self::Choice,
            Without::Unfolding => Self::Unfolding,
            Without::Completion => Self::Completion,
        }
    }
}

#[derive(Debug, Args)]
pub struct EvalReadability {
    /// JSON lines of texts
    #[arg(long, value_name = "FILE", help = r#"JSON lines: {"id","level","text"}, the texts of an id at every level"#)]
    pub texts: PathBuf,
    /// The levels from easy to hard [default: ele,int,adv or elementary,intermediate,advanced]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub levels: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EvalRoute {
    /// JSON lines to learn from
    #[arg(
        long,
        value_name = "FILE",
        help = r#"JSON lines to learn from: {"query","scores":{id:0..1},"costs":{id:usd}?,"task"?}"#
    )]
    pub train: PathBuf,
    /// JSON lines of the same form to test on
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
    /// Profiles and prices
    #[arg(
        long,
        value_name = "FILE",
        help = r#"JSON lines of profiles: {"id","description","usd_per_mtok"?,"params_b"?,"parameters"?}"#
    )]
    pub experts: Option<PathBuf>,
    /// Also measure the score without each of its terms
    #[arg(long)]
    pub ablation: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Load a model, read a prompt and generate
    Generate(BenchGenerate),
    /// Make a plan for each request of a file, and say where the time goes
    Plan(BenchPlan),
    /// Embed texts one by one and all together
    Embed(BenchEmbed),
}

#[derive(Debug, Args)]
pub struct BenchGenerate {
    /// As for `qsef ask`; the embedded backend guesses no tokens here
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Tokens of the prompt
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub prompt_tokens: usize,
    /// Tokens to generate
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub new_tokens: usize,
    /// Answers asked for at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub at_once: usize,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchPlan {
    /// Requests, a line each: {"query", …}
    #[arg(long, value_name = "FILE")]
    pub cases: PathBuf,
    /// As for `qsef ask`
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Only the first N requests
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Without guessed tokens (embedded backend): the plans are the same, and take longer
    #[arg(long)]
    pub plain: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchEmbed {
    /// Texts, a line each
    #[arg(long, value_name = "FILE")]
    pub texts: PathBuf,
    /// An embedder from `qsef models list`, openai:NAME, or fastembed:NAME where that is built in
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
