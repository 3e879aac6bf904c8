//! The tools that a server lists.

use qsef_agent::config::McpConfig;
use rmcp::{
    Peer, RoleClient,
    model::{ClientRequest, ListToolsRequest, PaginatedRequestParams, ServerResult, Tool},
    service::{PeerRequestOptions, ServiceError},
};
use serde_json::Value;

/// The most tools that a server may have.
const MAX_TOOLS: usize = 2_000;

/// What a server lists.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub tools: Vec<Tool>,
    pub warnings: Vec<String>,
}

/// All tools, page by page.
pub(crate) async fn list(peer: &Peer<RoleClient>) -> Result<Listed, ServiceError> {
    let mut listed = Listed::default();
    let mut cursor: Option<String> = None;
    loop {
        let next = page(peer, cursor.clone(), &mut listed).await?;
        let tools = listed.tools.len();
        if tools > MAX_TOOLS || (next.is_some() && next == cursor) {
            listed.tools.truncate(MAX_TOOLS);
            let message = format!("its list of tools does not end; the first {} are taken", listed.tools.len());
            listed.warnings.push(message);
            return Ok(listed);
        }
        cursor = next;
        if cursor.is_none() {
            return Ok(listed);
        }
    }
}

/// One page; the cursor of the next.
async fn page(
    peer: &Peer<RoleClient>,
    cursor: Option<String>,
    listed: &mut Listed,
) -> Result<Option<String>, ServiceError> {
    let params = cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
    let request = ListToolsRequest { method: Default::default(), params, extensions: Default::default() };
    let request = ClientRequest::ListToolsRequest(request);
    let handle = peer.send_request_with_option(request, PeerRequestOptions::no_options()).await?;
    match handle.await_response().await? {
        ServerResult::ListToolsResult(page) => {
            listed.tools.extend(page.tools);
            Ok(page.next_cursor)
        }
        // One tool that is not as the protocol has it must not cost the others.
        ServerResult::CustomResult(page) => {
            let Some(rows) = page.0.get("tools").and_then(Value::as_array) else {
                return Err(ServiceError::UnexpectedResponse);
            };
            for row in rows {
                match serde_json::from_value::<Tool>(row.clone()) {
                    Ok(tool) => listed.tools.push(tool),
                    Err(e) => {
                        let name: String =
                            row.get("name").and_then(Value::as_str).unwrap_or("?").chars().take(100).collect();
                        listed.warnings.push(format!("its tool `{}` is left out: {e}", name.escape_debug()));
                    }
                }
            }
            Ok(page.0.get("nextCursor").and_then(Value::as_str).map(str::to_owned))
        }
        _ => Err(ServiceError::UnexpectedResponse),
    }
}

/// Whether an agent wants a tool.
pub(crate) fn is_wanted(config: &McpConfig, tool: &Tool) -> bool {
    let names = |list: &[String]| list.iter().any(|name| *name == tool.name);
    config.allow.as_deref().is_none_or(names) && !names(&config.deny)
}

/// What an agent says of tools that the server does not have.
pub(crate) fn unknown(config: &McpConfig, tools: &[Tool]) -> Vec<String> {
    let named = |field: &'static str, names: Vec<&String>| {
        let lacking = names.into_iter().filter(|name| tools.iter().all(|tool| tool.name != **name));
        lacking.map(move |name| format!("it has no tool `{name}`, which `{field}` names")).collect::<Vec<_>>()
    };
    let allowed = named("allow", config.allow.iter().flatten().collect());
    allowed
        .into_iter()
        .chain(named("deny", config.deny.iter().collect()))
        .chain(named("tools", config.tools.keys().collect()))
        .collect()
}
