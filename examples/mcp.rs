//! Tools of an MCP server as experts: connects to the server that is given, shows what its tools are, and asks one thing.
//!
//!     cargo run --release -p qsef --features mcp --example mcp -- "What time is it in Tokyo?" uvx mcp-server-time
//!     cargo run --release -p qsef --features mcp --example mcp -- "What time is it in Tokyo?" http://localhost:8000/mcp

use qsef::{McpConfig, mcp, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(request), Some(server)) = (args.next(), args.next()) else {
        return Err(Error::Input("give a request, and the command or the URL of a server".into()));
    };
    let server = match server.starts_with("http") {
        true => McpConfig::at("server", server),
        false => McpConfig::program("server", server, args.collect()),
    };
    let models = Models::open(|event| eprintln!("{:?} {}/{}", event.phase, event.done, event.total))?;
    let mut hub = open_agent(&AgentConfig::builtin()?, &models).await?;
    // The model writes the arguments of each call from the words of its subtask.
    let writer = models.model(qsef::DEFAULT_MODEL)?;
    let taken: Vec<String> = hub.registry().experts().iter().map(|e| e.profile().id.clone()).collect();
    let toolbox = mcp::connect(&[server], taken, |_| Ok(writer.clone())).await?;
    toolbox.warnings.iter().for_each(|warning| eprintln!("{warning}"));
    for expert in toolbox.experts {
        let ExpertProfile { id, description, effects, requires_approval, .. } = expert.profile();
        println!("{id}: {description}\n    effects: {effects:?}, needs approval: {requires_approval}");
        hub.registry_mut().add(expert).await?;
    }
    let report = hub.run(&request, RunOptions::default()).await?;
    for subtask in &report.subtasks {
        println!("{}. {} → {} ({:?})", subtask.id, subtask.task, subtask.expert, subtask.status);
    }
    println!("{}", report.answer);
    Ok(())
}
