//! Opening agents and models, with progress and cancellation; the `models` command.

use std::{path::Path, sync::Arc};

use qsef::{AgentConfig, Error, Hub, Models, Result};
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

/// The agent of this name, or in this file.
pub fn agent(name: &str) -> Result<AgentConfig> {
    match name {
        "default" => AgentConfig::builtin(),
        path if path.ends_with(".toml") => AgentConfig::load(Path::new(path)),
        _ => Err(Error::Input(format!("there is no agent `{name}`; give `default`, or the path of a .toml file"))),
    }
}

/// Opens an agent; its models are fetched as they are needed.
pub async fn open(common: &Common) -> Result<Hub> {
    let mut config = agent(&common.agent)?;
    if let Some(model) = &common.model {
        config.model.clone_from(model);
    }
    or_cancelled(qsef::open_agent(&config, &all()?)).await
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
                let rows: Vec<_> = rows
                    .iter()
                    .map(|(spec, here)| {
                        json!({"name": spec.name, "size": spec.size(), "licence": spec.licence, "fetched": here})
                    })
                    .collect();
                screen::json(&json!({ "models": rows }))?;
            } else {
                for (spec, here) in rows {
                    let state = if here { "here" } else { "not fetched" };
                    let size = spec.size() / 1_000_000;
                    let name = styled(BOLD, format!("{:24}", spec.name));
                    screen::print(&format!("{name} {size:5} MB  {state:11}  {}\n", styled(DIM, &spec.licence)));
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
