//! Opening agents and models, with progress and cancellation; the `models` command.

use std::{path::Path, sync::Arc};

use qsef::{
    AgentConfig, Error, Hub, Models, Result,
    cassette::Cassette,
    models::{ModelSpec, Status},
};
use serde_json::json;

use crate::{
    End,
    args::{self, Common},
    screen::{self, BOLD, DIM, Downloads, styled},
};

/// The models, with their progress on stderr.
pub fn all() -> Result<Models> {
    let downloads = Arc::new(Downloads::default());
    Models::open(move |event| downloads.update(event))
}

/// The agent in this file, or of this name: in `agents/` here, in `agents/` of the home, or built in.
pub fn agent(name: &str) -> Result<AgentConfig> {
    if name.ends_with(".toml") {
        return AgentConfig::load(Path::new(name));
    }
    let here = Path::new("agents").join(format!("{name}.toml"));
    let home = qsef::home()?.join(&here);
    match [&here, &home].into_iter().find(|place| place.is_file()) {
        Some(place) => AgentConfig::load(place),
        None if name == "default" => AgentConfig::builtin(),
        None => Err(Error::Input(format!(
            "there is no agent `{name}`: neither {} nor {} exists, and only `default` is built in",
            here.display(),
            home.display()
        ))),
    }
}

/// The agent that the arguments name, with the model that they name.
pub fn config(common: &Common) -> Result<AgentConfig> {
    let mut config = agent(&common.agent)?;
    if let Some(model) = &common.model {
        config.model.clone_from(model);
    }
    Ok(config)
}

/// Opens an agent; its models are fetched as they are needed.
pub async fn open(common: &Common) -> Result<Hub> {
    open_with(common, None).await
}

/// Opens an agent; where there is a cassette, its models' calls are on that.
pub async fn open_with(common: &Common, cassette: Option<Cassette>) -> Result<Hub> {
    let mut models = all()?;
    if let Some(cassette) = cassette {
        models = models.with_cassette(cassette);
    }
    or_cancelled(qsef::open_agent(&config(common)?, &models)).await
}

/// Waits for work that Ctrl-C ends; what it has fetched by then is kept.
pub async fn or_cancelled<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Error::Cancelled),
    }
}

pub async fn run(args: args::Models) -> Result<End> {
    let models = all()?;
    match args {
        args::Models::List { json } => {
            let rows = models.list()?;
            if json {
                let row = |(spec, status): &(ModelSpec, Status)| {
                    let here = matches!(status, Status::Ready | Status::Unverified);
                    json!({"name": spec.name, "size": spec.size(), "licence": spec.licence, "fetched": here})
                };
                screen::json(&json!({ "models": rows.iter().map(row).collect::<Vec<_>>() }))?;
            } else {
                for (spec, status) in rows {
                    let size = spec.size() / 1_000_000;
                    let state = match status {
                        Status::Ready | Status::Unverified => "here".to_owned(),
                        Status::Partial { done } => format!("{} MB here", done / 1_000_000),
                        _ => "not fetched".to_owned(),
                    };
                    let name = styled(BOLD, format!("{:22}", spec.name));
                    let about = styled(DIM, format!("{:10}  {}", spec.licence, spec.summary));
                    screen::print(&format!("{name} {size:5} MB  {state:11}  {about}\n"));
                }
            }
        }
        args::Models::Pull { name } => {
            let dir = or_cancelled(models.fetch(&name)).await?;
            screen::print(&format!("{}\n", dir.display()));
        }
    }
    Ok(End::Done)
}
