//! `qsef mcp`: an agent as a server.

use qsef::{Result, mcp::AgentServer};

use crate::{End, args::Mcp, models};

pub async fn run(args: Mcp) -> Result<End> {
    // A file that is wrong is told at once; the agent is opened once a client is there.
    let config = models::config(&args.common)?;
    let about = config.description.clone();
    let all = models::all()?;
    let opening = async move { qsef::open_agent(&config, &all).await };
    let server = AgentServer::new(opening, about, args.experts);
    models::or_cancelled(server.over_stdio()).await?;
    Ok(End::Done)
}
