//! Servers under a URL, over streamable HTTP.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

mod support;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::any,
};
use qsef_agent::config::McpConfig;
use qsef_core::Payload;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::json;
use support::{call, tools};

/// A server in this process: it adds, and gives as much as it is asked for.
#[derive(Clone)]
struct Adder;

impl ServerHandler for Adder {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let tool = |name: &'static str| {
            Tool::new(name, "Gives something.", Arc::new(schema.as_object().unwrap().clone()))
                .with_annotations(ToolAnnotations::new().read_only(true))
        };
        Ok(ListToolsResult { tools: vec![tool("next"), tool("much")], ..ListToolsResult::default() })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let n = request.arguments.as_ref().and_then(|a| a.get("n")?.as_i64()).unwrap_or_default();
        if request.name == "much" {
            return Ok(CallToolResult::success(vec![ContentBlock::text("x".repeat(n as usize))]).into());
        }
        Ok(CallToolResult::structured(json!({"next": n + 1})).into())
    }
}

/// Serves a router on a port of its own; its address.
async fn at(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/mcp")
}

fn adder(json: bool) -> Router {
    let mut config = StreamableHttpServerConfig::default();
    if json {
        config.legacy_session_mode = false;
        config.json_response = true;
    }
    let service = StreamableHttpService::new(|| Ok(Adder), Arc::new(LocalSessionManager::default()), config);
    Router::new().nest_service("/mcp", service)
}

#[tokio::test]
async fn tools_work_over_events_and_over_json() {
    for json in [false, true] {
        let url = at(adder(json)).await;
        let toolbox = tools(&[McpConfig::at("adder", url)]).await;
        assert_eq!((toolbox.experts.len(), toolbox.warnings.as_slice()), (2, [].as_slice()));
        let outcome = call(&toolbox, "adder.next", json!({"n": 2})).await.unwrap();
        assert_eq!(outcome.payload, Payload::json(json!({"next": 3})));
        let error = call(&toolbox, "adder.much", json!({"n": 2 << 20})).await.unwrap_err();
        assert!(error.to_string().contains("2048 KiB"), "{error}");
        let long = McpConfig { timeout_s: 15.0, ..McpConfig::at("adder", at(adder(json)).await) };
        let toolbox = tools(&[long]).await;
        let error = call(&toolbox, "adder.much", json!({"n": 30 << 20})).await.unwrap_err();
        assert!(error.to_string().contains("16 MiB"), "json {json}: {error}");
        assert!(call(&toolbox, "adder.next", json!({"n": 2})).await.is_ok());
    }
}

#[tokio::test]
async fn a_token_comes_from_the_environment() {
    let check = |request: Request, next: Next| async move {
        // Every test program has this variable.
        let expected = format!("Bearer {}", std::env::var("CARGO_PKG_NAME").unwrap());
        match request.headers().get(header::AUTHORIZATION) {
            Some(token) if token == expected.as_str() => next.run(request).await,
            _ => StatusCode::UNAUTHORIZED.into_response(),
        }
    };
    let url = at(adder(false).layer(middleware::from_fn(check))).await;
    let with = |variable: Option<&str>| McpConfig {
        token_env: variable.map(str::to_owned),
        ..McpConfig::at("adder", url.clone())
    };
    let toolbox = tools(&[with(Some("CARGO_PKG_NAME"))]).await;
    assert_eq!(toolbox.warnings, [""; 0]);
    assert!(call(&toolbox, "adder.next", json!({"n": 2})).await.is_ok());
    for (variable, why) in [(None, "denies access"), (Some("QSEF_NO_SUCH_VARIABLE"), "which is not set")] {
        let toolbox = tools(&[with(variable)]).await;
        assert!(toolbox.warnings[0].contains(why), "{:?}", toolbox.warnings);
    }
}

#[tokio::test]
async fn what_is_no_mcp_server_is_told_so() {
    let page = || async { ([(header::CONTENT_TYPE, "text/html")], "<html>Welcome!</html>").into_response() };
    let down = || async { StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let odd = || async { ([(header::CONTENT_TYPE, "application/json")], "{\"hello\": 1}").into_response() };
    async fn never() -> Response {
        std::future::pending().await
    }
    let nobody = McpConfig::at("x", "http://127.0.0.1:1/mcp");
    let slow =
        McpConfig { start_timeout_s: 0.5, ..McpConfig::at("x", at(Router::new().route("/mcp", any(never))).await) };
    for (server, why) in [
        (McpConfig::at("x", at(Router::new().route("/mcp", any(page))).await), "text/html"),
        (McpConfig::at("x", at(Router::new().route("/mcp", any(down))).await), "503"),
        (McpConfig::at("x", at(Router::new().route("/mcp", any(odd))).await), "hello"),
        (McpConfig::at("x", at(Router::new()).await), "404"),
        (nobody, "cannot be reached"),
        (slow, "did not answer within"),
    ] {
        let toolbox = tools(&[server]).await;
        assert!(toolbox.experts.is_empty() && toolbox.warnings[0].contains(why), "{why}: {:?}", toolbox.warnings);
    }
}
