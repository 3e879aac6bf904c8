//! An agent as a server: it answers whole requests, and its experts can be called one by one.

mod progress;

use std::{borrow::Cow, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use progress::Progress;
use qsef_agent::{Hub, RunOptions, RunReport};
use qsef_core::{Effects, Error, ExpertCall, ExpertProfile, Input, Payload, Result, Status};
use rmcp::{
    RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation, JsonObject,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
    },
    service::{RequestContext, ServerInitializeError},
};
use serde::Deserialize;
use serde_json::{Value, json};

type Opening = Shared<BoxFuture<'static, Result<Hub, String>>>;

/// An agent that other programs use through the Model Context Protocol. Its tool `ask` does a whole request; where it is told to,
/// each of its experts is a tool, too, but those that need a person's approval.
#[derive(Clone)]
pub struct AgentServer {
    hub: Opening,
    about: String,
    experts: bool,
}

/// The arguments of `ask`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    query: String,
    budget_usd: Option<f64>,
    deadline: Option<String>,
}

/// The arguments of an expert.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    task: String,
    input: Option<String>,
}

impl AgentServer {
    /// A server for the agent that `opening` gives. It is opened in the background from when it serves on: models may have
    /// to be loaded. `about` says what the agent is for. With `experts`, each expert is a tool.
    pub fn new(
        opening: impl Future<Output = Result<Hub>> + Send + 'static,
        about: impl Into<String>,
        experts: bool,
    ) -> Self {
        let hub = opening.map(|hub| hub.map_err(|e| e.to_string())).boxed().shared();
        Self { hub, about: about.into(), experts }
    }

    /// Serves one client over standard input and output until it goes. Nothing else may write to standard output.
    ///
    /// # Errors
    /// [`Error::Internal`] where the client does not speak the protocol.
    pub async fn over_stdio(self) -> Result<()> {
        let (input, output) = rmcp::transport::stdio();
        self.over(input, output).await
    }

    /// Serves one client over any two streams.
    ///
    /// # Errors
    /// As [`AgentServer::over_stdio`].
    pub async fn over(
        self,
        input: impl tokio::io::AsyncRead + Send + Unpin + 'static,
        output: impl tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Result<()> {
        // Whoever waits for it finds it open, and whoever does not is not kept waiting.
        let opening = tokio::spawn(self.hub.clone());
        let served = match self.serve((input, output)).await {
            Ok(service) => service.waiting().await.map(drop).map_err(|e| Error::Internal(e.to_string())),
            // It went before it said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(e) => Err(Error::Internal(format!("the client does not speak MCP: {e}"))),
        };
        opening.abort();
        served
    }

    async fn hub(&self) -> Result<Hub, String> {
        self.hub.clone().await
    }

    async fn ask(&self, arguments: JsonObject, context: &RequestContext<RoleServer>) -> Result<CallToolResult, String> {
        let asked: Asked = read(arguments)?;
        let mut options = RunOptions::default();
        if asked.budget_usd.is_some_and(|usd| !usd.is_finite() || usd < 0.0) {
            return Err("`budget_usd` is a number of dollars, 0 or more".into());
        }
        options.budget.usd = asked.budget_usd;
        options.budget.time = asked.deadline.as_deref().map(deadline).transpose()?;
        let (mut progress, events) = Progress::new(context);
        options.events = events;
        let hub = self.hub().await?;
        let report = progress.follow(hub.run(&asked.query, options)).await.map_err(|e| e.to_string())?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(told(&report))]);
        result.structured_content = Some(report.document(false, None));
        result.is_error = Some(!report.succeeded() && report.exhausted.is_none() && !report.paused);
        Ok(result)
    }

    async fn tell(
        &self,
        id: &str,
        arguments: JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, String> {
        let told: Told = read(arguments)?;
        let (mut progress, events) = Progress::new(context);
        let mut call = ExpertCall::new(told.task);
        let given = told.input.map(|text| Input { from: 0, task: "the caller".into(), payload: Payload::text(text) });
        call.inputs.extend(given);
        call.events = events;
        let hub = self.hub().await?;
        let outcome = progress.follow(hub.call(id, call)).await.map_err(|e| e.to_string())?;
        Ok(given_back(&outcome.payload))
    }

    /// The experts that are tools, with the tools' names.
    async fn offered(&self) -> Result<Vec<(String, ExpertProfile)>, String> {
        let mut offered: Vec<(String, ExpertProfile)> = Vec::new();
        if self.experts {
            let hub = self.hub().await?;
            for profile in hub.registry().experts().iter().map(|e| e.profile()).filter(|p| !p.requires_approval) {
                let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                let name: String = profile.id.chars().map(|c| if fits(c) { c } else { '_' }).take(60).collect();
                let is_new = |name: &String| name != ASK && offered.iter().all(|(other, _)| other != name);
                let mut others = (2..).map(|n| format!("{name}_{n}"));
                let name = Some(name.clone()).filter(is_new).or_else(|| others.find(is_new)).unwrap_or(name);
                offered.push((name, profile.clone()));
            }
        }
        Ok(offered)
    }
}

const ASK: &str = "ask";

impl ServerHandler for AgentServer {
    fn get_info(&self) -> ServerConfig {
        let server = Implementation::new("qsef", env!("CARGO_PKG_VERSION"));
        let instructions = format!("`{ASK}` plans a request and has experts do its parts. {}", self.about);
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(server)
            .with_instructions(instructions)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let offered = self.offered().await.map_err(|e| ErrorData::internal_error(e, None))?;
        let mut tools = vec![ask_tool(&self.about)];
        tools.extend(offered.into_iter().map(|(name, profile)| expert_tool(name, &profile)));
        Ok(ListToolsResult { tools, ..ListToolsResult::default() })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let work = async {
            if request.name == ASK {
                return Ok(self.ask(arguments, &context).await);
            }
            let offered = self.offered().await.map_err(|e| ErrorData::internal_error(e, None))?;
            let Some((_, profile)) = offered.into_iter().find(|(name, _)| *name == request.name) else {
                return Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None));
            };
            Ok(self.tell(&profile.id, arguments, &context).await)
        };
        let done = tokio::select! {
            done = work => done?,
            // Dropping the work stops it.
            () = context.ct.cancelled() => Err("cancelled".into()),
        };
        Ok(done.unwrap_or_else(|message| CallToolResult::error(vec![ContentBlock::text(message)])).into())
    }
}

/// The arguments of a tool.
fn read<T: serde::de::DeserializeOwned>(arguments: JsonObject) -> Result<T, String> {
    serde_json::from_value(arguments.into()).map_err(|e| format!("the arguments cannot be used: {e}"))
}

fn deadline(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(|e| format!("`deadline` is a time such as \"30s\" or \"2m\": {e}"))
}

/// The answer, and what the caller has to know of the run besides.
fn told(report: &RunReport) -> String {
    let mut text = report.answer.trim_end().to_owned();
    let mut add = |line: String| text += &format!("{}{line}", if text.is_empty() { "" } else { "\n\n" });
    for subtask in &report.subtasks {
        match (subtask.status, &subtask.error) {
            (Status::Paused, _) => add(format!(
                "Subtask {} waits for a person's approval: `qsef trace resume {} --approve {}` (or --deny, --edit).",
                subtask.id, report.trace_id, subtask.id
            )),
            (Status::Failed, Some(error)) => add(format!("Subtask {} failed: {error}", subtask.id)),
            _ => {}
        }
    }
    if let Some(limit) = &report.exhausted {
        add(format!("Stopped early: {limit}"));
    }
    text
}

/// An expert's output as a tool's result.
fn given_back(payload: &Payload) -> CallToolResult {
    let of = |name: &str| payload.value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let block = match payload.modality {
        qsef_core::Modality::Image => ContentBlock::image(of("base64"), of("mime")),
        qsef_core::Modality::Audio => ContentBlock::audio(of("base64"), of("mime")),
        _ => ContentBlock::text(payload.to_text()),
    };
    let mut result = CallToolResult::success(vec![block]);
    if payload.modality == qsef_core::Modality::Text && payload.value.is_object() {
        result.structured_content = Some(payload.value.clone());
    }
    result
}

fn object(value: Value) -> Arc<JsonObject> {
    Arc::new(match value {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    })
}

fn ask_tool(about: &str) -> Tool {
    let input = json!({
        "type": "object", "required": ["query"], "additionalProperties": false,
        "properties": {
            "query": {"type": "string", "description": "The request, in plain words; it may ask for several things"},
            "budget_usd": {"type": "number", "minimum": 0, "description": "The most money to spend, in US dollars"},
            "deadline": {"type": "string", "description": "When to stop, such as 30s or 2m"}
        }
    });
    let output = json!({
        "type": "object", "required": ["answer", "plan", "cost_usd", "elapsed_ms", "trace_id"],
        "properties": {
            "answer": {"type": "string"}, "plan": {"type": "object"}, "usage": {"type": "object"},
            "cost_usd": {"type": "number"}, "elapsed_ms": {"type": "integer"}, "trace_id": {"type": "string"}
        }
    });
    let about = format!("Plans a request, gives each part to the expert that fits best, and joins the answer. {about}");
    Tool::new(ASK, Cow::Owned(about), object(input)).with_title("Ask qsef").with_raw_output_schema(object(output))
}

fn expert_tool(name: String, profile: &ExpertProfile) -> Tool {
    let task = match profile.examples.first() {
        Some(example) => format!("What to do, in plain words, such as: {example}"),
        None => "What to do, in plain words".to_owned(),
    };
    let input = json!({
        "type": "object", "required": ["task"], "additionalProperties": false,
        "properties": {
            "task": {"type": "string", "description": task},
            "input": {"type": "string", "description": "Material to work on"}
        }
    });
    let reads = profile.effects == Effects::None;
    Tool::new(name, profile.description.clone(), object(input))
        .with_annotations(ToolAnnotations::new().read_only(reads))
}
