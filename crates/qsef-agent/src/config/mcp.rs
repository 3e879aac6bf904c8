//! Servers of an agent that speak the Model Context Protocol: `[[mcp]]`.

use std::collections::BTreeMap;

use qsef_core::{Effects, Result};
use serde::Deserialize;
use toml::Spanned;

use super::File;

/// A server whose tools are experts of the agent, named `server.tool`. It is reached through a command, which qsef starts and
/// speaks to over standard input and output, or under a URL (streamable HTTP).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpConfig {
    /// A unique name of letters, digits, `-` and `_`; the ids of its experts begin with it.
    pub name: Spanned<String>,
    /// The program that is the server.
    #[serde(default)]
    pub command: Option<String>,
    /// The program's arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables of the program's environment. Of qsef's own it gets only what programs need to find their files.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables that it gets with the values that they have for qsef: where secrets come from.
    #[serde(default)]
    pub pass_env: Vec<String>,
    /// Where the server is.
    #[serde(default)]
    pub url: Option<String>,
    /// The variable of qsef's environment that holds the server's bearer token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// The only tools that become experts; none: all.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// Tools that do not become experts.
    #[serde(default)]
    pub deny: Vec<String>,
    /// The most seconds that it may take to start and to list its tools.
    #[serde(default = "half_a_minute")]
    pub start_timeout_s: f64,
    /// The most seconds that a call of a tool may take.
    #[serde(default = "a_minute")]
    pub timeout_s: f64,
    /// Name of the model that writes the tools' arguments; none: the agent's.
    #[serde(default)]
    pub model: Option<String>,
    /// What is to hold for single tools, whatever the server says of them.
    #[serde(default)]
    pub tools: BTreeMap<String, ToolConfig>,
}

fn half_a_minute() -> f64 {
    30.0
}

fn a_minute() -> f64 {
    60.0
}

/// What an agent says of one tool of a server; what it leaves out is the server's word.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolConfig {
    /// What it does, in a sentence or two.
    pub description: Option<String>,
    /// Requests that it should get.
    pub examples: Vec<String>,
    /// Kinds of knowledge, as tags.
    pub domains: Vec<String>,
    /// The types of what it needs, in words.
    pub requires: Vec<String>,
    /// The types of what its output holds, in words.
    pub provides: Vec<String>,
    /// What running it changes.
    pub effects: Option<Effects>,
    /// Whether a person has to agree before it runs.
    pub requires_approval: Option<bool>,
    /// Price per 10⁶ tokens in US dollars.
    pub usd_per_mtok: f64,
    /// The most seconds that a call may take.
    pub timeout_s: Option<f64>,
    /// The most calls at the same time.
    pub max_concurrent: Option<std::num::NonZeroUsize>,
    /// How many of the first subtasks that suit it it gets before experts that are better known.
    pub trials: u32,
}

impl McpConfig {
    /// A server that is a program.
    pub fn program(name: impl Into<String>, command: impl Into<String>, args: Vec<String>) -> Self {
        Self { command: Some(command.into()), args, ..Self::named(name.into()) }
    }

    /// A server under a URL.
    pub fn at(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { url: Some(url.into()), ..Self::named(name.into()) }
    }

    fn named(name: String) -> Self {
        Self {
            name: Spanned::new(0..0, name),
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            pass_env: Vec::new(),
            url: None,
            token_env: None,
            allow: None,
            deny: Vec::new(),
            start_timeout_s: half_a_minute(),
            timeout_s: a_minute(),
            model: None,
            tools: BTreeMap::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }
}

impl File<'_> {
    pub(super) fn check_mcp(&self, server: &McpConfig) -> Result<()> {
        let at = |field: &str, message: &str| Err(self.error(Some(server.name.span()), Some(field), message));
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if server.name().is_empty() || !server.name().chars().all(fits) {
            return at("name", "must be letters, digits, `-` and `_`: the ids of its experts are `name.tool`");
        }
        let is_set = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.trim().is_empty());
        match (is_set(&server.command), is_set(&server.url)) {
            (true, true) => return at("url", "a server has a `command` or a `url`, not both"),
            (false, false) => return at("command", "a server needs a `command` to start it with, or a `url`"),
            (false, true) if !(server.args.is_empty() && server.env.is_empty() && server.pass_env.is_empty()) => {
                return at("url", "`args`, `env` and `pass_env` are for servers with a `command`");
            }
            (true, false) if server.token_env.is_some() => {
                return at("token_env", "is for servers with a `url`; a program gets its secrets by `pass_env`");
            }
            _ => {}
        }
        if let Some(url) = &server.url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return at("url", "must begin with http:// or https://");
        }
        let tools = server.tools.values();
        let seconds = tools.clone().filter_map(|t| t.timeout_s).map(|s| ("timeout_s", s));
        for (field, value) in
            seconds.chain([("start_timeout_s", server.start_timeout_s), ("timeout_s", server.timeout_s)])
        {
            if !(value.is_finite() && value > 0.0) {
                return at(field, "must be a number of seconds above 0");
            }
        }
        if tools.clone().any(|tool| !tool.usd_per_mtok.is_finite() || tool.usd_per_mtok < 0.0) {
            return at("usd_per_mtok", "must be a number of at least 0");
        }
        if tools.flat_map(|tool| tool.requires.iter().chain(&tool.provides)).any(|k| !k.contains(char::is_alphabetic)) {
            return at("tools", "`requires` and `provides` are kinds of thing in words, such as \"order id\"");
        }
        Ok(())
    }
}
