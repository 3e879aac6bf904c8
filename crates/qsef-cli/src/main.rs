//! The `qsef` command: arguments and screens over the SDK.

mod approve;
mod args;
mod ask;
mod bench;
mod chat;
mod curriculum;
mod distill;
mod eval;
mod experts;
mod kb;
mod live;
mod mcp;
mod models;
mod screen;
mod telemetry;
mod trace;

use std::{process::ExitCode, time::Duration};

use args::{Bench, Cli, Command, Eval, Trace};
use clap::Parser;
use distill::args::Distill;
use qsef::Error;

/// How a command ended, other than by an error.
pub enum End {
    /// All is done: exit code 0.
    Done,
    /// Some of the work failed, and the rest is printed: exit code 1.
    Failed,
    /// A limit was reached, and what is done is printed: exit code 3.
    Exhausted,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let telemetry = match telemetry::begin() {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&Error::Internal(format!("cannot start: {e}"))),
    };
    let ended = runtime.block_on(run(cli.command));
    // Cancelled work gets the time to end its child processes; what takes longer must not hold the program.
    runtime.shutdown_timeout(Duration::from_secs(2));
    telemetry.end();
    match ended {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Failed) => ExitCode::from(1),
        Ok(End::Exhausted) => ExitCode::from(3),
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> qsef::Result<End> {
    match command {
        Command::Ask(args) => ask::run(args).await,
        Command::Chat(args) => chat::run(args).await,
        Command::Experts(args) => experts::run(args).await,
        Command::Models(args) => models::run(args).await,
        Command::Curriculum(curriculum::args::Curriculum::Generate(args)) => curriculum::generate(*args).await,
        Command::Distill(Distill::Run(args)) => distill::run(args).await,
        Command::Distill(Distill::Tune(args)) => distill::tune(args).await,
        Command::Distill(Distill::Export(args)) => distill::export_expert(args).await,
        Command::Eval(Eval::Plan(args)) => eval::plan(args).await,
        Command::Eval(Eval::Route(args)) => eval::route(args).await,
        Command::Eval(Eval::Intent(args)) => eval::intent(args).await,
        Command::Eval(Eval::Readability(args)) => eval::readability(args),
        Command::Trace(Trace::Resume(args)) => ask::resume(args).await,
        Command::Trace(Trace::Judge { id, common, json }) => ask::judge(&id, &common, json).await,
        Command::Trace(Trace::List { limit, json }) => trace::list(limit, json),
        Command::Trace(Trace::Show { id, json }) => trace::show(&id, json),
        Command::Kb(command) => kb::run(command).await,
        Command::Mcp(args) => mcp::run(args).await,
        Command::Feedback(args) => trace::feedback(args),
        Command::Eval(Eval::Adapt(args)) => eval::adapt(args).await,
        Command::Bench(Bench::Generate(args)) => bench::generate(args).await,
        Command::Bench(Bench::Plan(args)) => bench::plan(args).await,
        Command::Bench(Bench::Embed(args)) => bench::embed(args).await,
    }
}

fn fail(error: &Error) -> ExitCode {
    screen::error(&error.to_string());
    match error {
        Error::Input(_) | Error::File { .. } => ExitCode::from(2),
        Error::Budget(_) => ExitCode::from(3),
        _ => ExitCode::from(1),
    }
}
