//! The Model Context Protocol (MCP), both ways: [`connect`] makes experts of the tools of servers, [`AgentServer`] lets other
//! programs use an agent as a server.
//!
//! What a server says is data. Its hints say what a tool changes, and an agent's file may say otherwise; a tool that says nothing
//! is taken to change something. The planner sees no expert. The score reads a tool's description, and so does the model that
//! writes the arguments, as material in a fence. Where experts are close, the model that chooses one gets the beginning of each
//! description in a line, and can answer with a letter only.

mod connection;
mod expert;
mod fault;
mod lines;
mod profile;
mod program;
mod result;
mod server;
mod tools;

use std::{collections::HashSet, sync::Arc};

use connection::Connection;
use expert::ToolExpert;
use qsef_agent::config::McpConfig;
use qsef_core::{AnyExpert, AnyModel, Result};

pub use server::AgentServer;

/// What servers offer.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Toolbox {
    /// Their tools. They hold the connections: a server is let go of with its last expert.
    pub experts: Vec<AnyExpert>,
    /// Servers that could not be had, and tools that are left out, a sentence each.
    pub warnings: Vec<String>,
}

/// Starts servers, or connects to them, all at the same time, and makes experts of their tools. `taken` are the ids of experts
/// that are there already; `models` gives the model that writes the arguments of a server's tools. It has to be called in a Tokio
/// runtime.
///
/// # Errors
/// Those of `models`. A server that cannot be had is a warning.
pub async fn connect(
    servers: &[McpConfig],
    taken: impl IntoIterator<Item = impl Into<String>>,
    models: impl Fn(&McpConfig) -> Result<AnyModel>,
) -> Result<Toolbox> {
    let models: Vec<AnyModel> = servers.iter().map(models).collect::<Result<_>>()?;
    let opened = futures::future::join_all(servers.iter().map(Connection::open)).await;
    let mut taken: HashSet<String> = taken.into_iter().map(Into::into).collect();
    let mut toolbox = Toolbox::default();
    for ((config, model), opened) in servers.iter().zip(models).zip(opened) {
        let (connection, listed) = match opened {
            Ok(opened) => opened,
            Err(why) => {
                let message = format!("the MCP server `{}` and its tools are left out: {why}", config.name());
                toolbox.warnings.push(message);
                continue;
            }
        };
        let connection = Arc::new(connection);
        let about = |message: &String| format!("the MCP server `{}`: {message}", config.name());
        toolbox.warnings.extend(listed.warnings.iter().chain(&tools::unknown(config, &listed.tools)).map(about));
        for tool in listed.tools.iter().filter(|tool| tools::is_wanted(config, tool)) {
            let expert = profile::read(config, tool).and_then(|described| {
                let id = described.profile.id.clone();
                let is_new = taken.insert(id.clone());
                is_new.then_some(described).ok_or_else(|| format!("there is an expert `{id}` already"))
            });
            match expert {
                Ok(described) => {
                    let expert = ToolExpert::new(described, model.clone(), connection.clone());
                    toolbox.experts.push(AnyExpert::new(expert));
                }
                Err(why) => {
                    toolbox
                        .warnings
                        .push(about(&format!("its tool `{}` is left out: {why}", tool.name.escape_debug())));
                }
            }
        }
    }
    Ok(toolbox)
}
