//! A connection to a server: started, used, and started again where the server ended.

use std::time::Duration;

use qsef_agent::config::McpConfig;
use qsef_core::{Error, Result};
use rmcp::{
    ClientHandler, Peer, RoleClient,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
        JsonObject, ProtocolVersion,
    },
    service::{ClientLifecycleMode, ClientServiceExt, RunningService},
    transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig},
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    fault::Trouble,
    lines::MAX_MESSAGE,
    program::{Program, Witness},
    tools::{self, Listed},
};

/// How often in a row a server is started again without a call that it answers.
const RESTARTS: u32 = 3;

/// What qsef tells servers of itself. It offers them nothing: no sampling, no questions to the user, no files.
#[derive(Debug, Clone)]
struct Client;

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("qsef", env!("CARGO_PKG_VERSION")))
    }
}

/// A server that answers.
#[derive(Debug)]
struct Live {
    service: RunningService<RoleClient, Client>,
    program: Option<Program>,
}

impl Live {
    fn handles(&self) -> (Peer<RoleClient>, Option<Witness>) {
        (self.service.peer().clone(), self.program.as_ref().map(|program| program.witness.clone()))
    }
}

#[derive(Debug)]
struct State {
    live: Option<Live>,
    /// Starts since a call was answered last.
    restarts: u32,
}

/// The way to one server, which all of its tools share.
#[derive(Debug)]
pub(crate) struct Connection {
    config: McpConfig,
    state: Mutex<State>,
}

impl Connection {
    /// Starts the server, or connects to it, and lists its tools, in the time that it has for both.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence that follows its name.
    pub async fn open(config: &McpConfig) -> Result<(Self, Listed), String> {
        let (live, listed) = start(config).await?;
        let state = Mutex::new(State { live: Some(live), restarts: 0 });
        Ok((Self { config: config.clone(), state }, listed))
    }

    /// Its name.
    pub fn server(&self) -> &str {
        self.config.name()
    }

    /// The server, started again where it has ended, and who knows what its program says.
    async fn peer(&self, expert: &str) -> Result<(Peer<RoleClient>, Option<Witness>)> {
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live
            && !live.service.peer().is_transport_closed()
        {
            return Ok(live.handles());
        }
        // Nothing has been done yet: another expert may do it.
        let declined = |message: String| Error::Declined { expert: expert.to_owned(), message };
        if state.restarts >= RESTARTS {
            let message =
                format!("the MCP server `{}` ended again and again and is not started any more", self.server());
            return Err(declined(message));
        }
        state.restarts += 1;
        state.live = None;
        tracing::info!(server = self.server(), restart = state.restarts, "an MCP server is started again");
        let started = start(&self.config).await;
        let (live, _) =
            started.map_err(|why| declined(format!("the MCP server `{}` is down: {why}", self.server())))?;
        let handles = live.handles();
        state.live = Some(live);
        Ok(handles)
    }

    /// Calls a tool. Dropping the future tells the server that nobody waits any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the server ended or cannot be reached, [`Error::Declined`] where it cannot be started again,
    /// [`Error::Expert`] for what it refuses. They name server and tool.
    pub async fn call(&self, expert: &str, tool: &str, arguments: JsonObject) -> Result<CallToolResult> {
        let (peer, witness) = self.peer(expert).await?;
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let trouble = match peer.call_tool_once(request).await {
            Ok(CallToolResponse::Complete(result)) => {
                self.state.lock().await.restarts = 0;
                return Ok(result);
            }
            Ok(_) => {
                let message = self.told(tool, "it asks for more than the arguments, which qsef does not give");
                return Err(Error::Expert { expert: expert.to_owned(), message });
            }
            Err(error) => Trouble::of_request(&error),
        };
        let mut message = self.told(tool, &trouble.what);
        if let Some(witness) = witness.filter(|_| trouble.closed) {
            message += &witness.in_words().await;
        } else if trouble.closed {
            // Over HTTP each answer has a connection of its own.
            message += &format!(" before its answer did, as it does for one of more than {} MiB", MAX_MESSAGE >> 20);
        }
        if trouble.passes {
            return Err(Error::Unavailable { what: expert.to_owned(), message, retry_after: trouble.retry_after });
        }
        Err(Error::Expert { expert: expert.to_owned(), message })
    }

    /// What happened at a call of a tool, in words.
    pub fn told(&self, tool: &str, what: &str) -> String {
        format!("the tool `{tool}` of the MCP server `{}`: {what}", self.server())
    }
}

/// Starts a server and lists its tools.
async fn start(config: &McpConfig) -> Result<(Live, Listed), String> {
    let limit = Duration::try_from_secs_f64(config.start_timeout_s).unwrap_or(Duration::MAX);
    let deadline = Instant::now() + limit.min(Duration::from_secs(86_400));
    // What a server of the newest version is asked first makes some older ones end.
    let newest =
        ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
    match start_as(config, newest, deadline).await {
        Err(trouble) if trouble.closed && config.url.is_none() => {
            start_as(config, ClientLifecycleMode::Initialize, deadline).await
        }
        done => done,
    }
    .map_err(|trouble| trouble.what)
}

/// The same with one way to begin.
async fn start_as(
    config: &McpConfig,
    lifecycle: ClientLifecycleMode,
    deadline: Instant,
) -> Result<(Live, Listed), Trouble> {
    let (served, program) = match &config.url {
        Some(url) => {
            let transport = over_http(config, url).map_err(Trouble::lasting)?;
            (tokio::time::timeout_at(deadline, Client.serve_with_lifecycle(transport, lifecycle)).await, None)
        }
        None => {
            let (program, output, input) = Program::start(config).map_err(Trouble::lasting)?;
            let serving = Client.serve_with_lifecycle((output, input), lifecycle);
            (tokio::time::timeout_at(deadline, serving).await, Some(program))
        }
    };
    let late = || Trouble::lasting(format!("it did not answer within {} seconds", config.start_timeout_s));
    let failed = async |mut trouble: Trouble| {
        if let Some(program) = &program {
            trouble.what += &program.witness.clone().in_words().await;
        }
        trouble
    };
    let service = match served {
        Ok(Ok(service)) => service,
        Ok(Err(error)) => return Err(failed(Trouble::of_start(&error)).await),
        Err(_) => return Err(failed(late()).await),
    };
    let listed = match tokio::time::timeout_at(deadline, tools::list(service.peer())).await {
        Ok(Ok(listed)) => listed,
        Ok(Err(error)) => {
            let trouble = Trouble::of_request(&error);
            let what = format!("its tools cannot be listed: {}", trouble.what);
            return Err(failed(Trouble { what, ..trouble }).await);
        }
        Err(_) => return Err(failed(late()).await),
    };
    Ok((Live { service, program }, listed))
}

fn over_http(config: &McpConfig, url: &str) -> Result<StreamableHttpClientTransport<reqwest::Client>, String> {
    // An application that has chosen another provider of TLS keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut transport = StreamableHttpClientTransportConfig::with_uri(url);
    transport.max_json_response_size = MAX_MESSAGE;
    transport.max_sse_event_size = MAX_MESSAGE;
    if let Some(variable) = &config.token_env {
        let token = std::env::var(variable).ok().filter(|token| !token.trim().is_empty());
        let token = token.ok_or_else(|| format!("`token_env` names the variable `{variable}`, which is not set"))?;
        transport = transport.auth_header(token.trim());
    }
    Ok(StreamableHttpClientTransport::from_config(transport))
}
