//! What a tool is good at, read from what its server says and what the agent says of it.

use std::time::Duration;

use qsef_agent::config::{McpConfig, ToolConfig};
use qsef_core::{Effects, ExpertProfile, Format, schema};
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::Value;

use crate::lines::cut;

/// The most characters of a description that the score reads: its first paragraph, of which the embedder would not read more.
const MAX_DESCRIPTION: usize = 400;

/// The most characters that the model which writes the arguments reads.
const MAX_ABOUT: usize = 4_000;

/// The most characters of a tool's name, and the most bytes of its schema.
const MAX_NAME: usize = 128;
const MAX_SCHEMA: usize = 256 << 10;

/// A tool, as qsef needs to know it.
#[derive(Debug)]
pub(crate) struct Described {
    pub profile: ExpertProfile,
    /// Its name for its server.
    pub tool: String,
    /// All that the server says that it does.
    pub about: String,
    /// JSON Schema of its arguments.
    pub schema: Value,
    /// Whether a call that broke off may be made again although it changes something.
    pub idempotent: bool,
    pub timeout: Duration,
}

/// Reads a tool.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(crate) fn read(config: &McpConfig, tool: &Tool) -> Result<Described, String> {
    let name = tool.name.as_ref();
    if name.is_empty()
        || name.chars().count() > MAX_NAME
        || name.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(format!("its name is not one: 1 to {MAX_NAME} characters without spaces"));
    }
    let input = Value::Object(tool.input_schema.as_ref().clone());
    schema::check(&input).map_err(|place| format!("its input schema is none: {place}"))?;
    if input.get("type").is_some_and(|t| t != "object") {
        return Err("its input schema is not that of an object".into());
    }
    if input.to_string().len() > MAX_SCHEMA {
        return Err(format!("its input schema has more than {} KiB", MAX_SCHEMA >> 10));
    }
    let own = config.tools.get(name).cloned().unwrap_or_default();
    let hints = tool.annotations.clone().unwrap_or_default();
    let title = tool.title.as_deref().or(hints.title.as_deref());
    let told = tool.description.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let description = own.description.clone().unwrap_or_else(|| description(name, title, told));
    let mut profile = ExpertProfile::new(format!("{}.{name}", config.name()), description);
    (profile.effects, profile.requires_approval) = consequences(&hints, &own);
    if tool.output_schema.is_some() {
        profile.gives = vec![Format::Json];
    }
    profile.examples = own.examples;
    profile.domains = own.domains;
    profile.requires = own.requires;
    profile.provides = own.provides;
    profile.usd_per_mtok = own.usd_per_mtok;
    profile.max_concurrent = own.max_concurrent.map(Into::into);
    profile.trials = own.trials;
    profile.parameters = Some(input.clone());
    let about = told.map_or_else(|| profile.description.clone(), |text| cut(text, MAX_ABOUT));
    let seconds = own.timeout_s.unwrap_or(config.timeout_s);
    Ok(Described {
        profile,
        tool: name.to_owned(),
        about,
        schema: input,
        idempotent: hints.is_idempotent(),
        timeout: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
    })
}

/// What running it changes, and whether a person has to agree: the agent's word, else the server's hints. A tool without hints
/// may change anything; one that is said to destroy needs a person, unless the agent says what it changes.
fn consequences(hints: &ToolAnnotations, own: &ToolConfig) -> (Effects, bool) {
    let read_only = hints.read_only_hint == Some(true);
    let hinted = if read_only { Effects::None } else { Effects::External };
    let destroys = !read_only && hints.destructive_hint == Some(true) && own.effects.is_none();
    (own.effects.unwrap_or(hinted), own.requires_approval.unwrap_or(destroys))
}

/// A description in a line: the first paragraph, with the title where that says more; else the title, or the name in words.
fn description(name: &str, title: Option<&str>, told: Option<&str>) -> String {
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let title = title.map(one_line).filter(|title| !title.is_empty());
    let Some(told) = told else {
        return title.unwrap_or_else(|| name.replace(['_', '-', '.', '/'], " "));
    };
    let paragraph = told.lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let text = cut(&one_line(&paragraph), MAX_DESCRIPTION);
    match title {
        Some(title) if !text.to_lowercase().contains(&title.to_lowercase()) => {
            format!("{text} ({})", cut(&title, MAX_NAME))
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(value: Value) -> Tool {
        serde_json::from_value(value).unwrap()
    }

    fn config() -> McpConfig {
        McpConfig::program("files", "files", Vec::new())
    }

    #[test]
    fn a_profile_is_what_the_server_says() {
        let described = read(
            &config(),
            &tool(json!({
                "name": "read_text", "title": "Reader", "description": "Read a\u{1b} file.\nAll of it.\n\nArgs:\n  path: where",
                "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
                "outputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}
            })),
        );
        let described = described.unwrap();
        let profile = described.profile;
        assert_eq!((profile.id.as_str(), described.tool.as_str()), ("files.read_text", "read_text"));
        assert_eq!(profile.description, "Read a file. All of it. (Reader)");
        assert!(described.about.ends_with("Args:\n  path: where"));
        assert!(!profile.is_consequential() && profile.gives == [Format::Json] && profile.parameters.is_some());
        let bare = tool(json!({"name": "list_dir", "inputSchema": {"type": "object"}}));
        assert_eq!(read(&config(), &bare).unwrap().profile.description, "list dir");
    }

    #[test]
    fn hints_and_the_agent_say_what_a_tool_changes() {
        let consequences = |hints: Value, own: ToolConfig| consequences(&serde_json::from_value(hints).unwrap(), &own);
        let (none, external) = (Effects::None, Effects::External);
        let own = |effects, requires_approval| ToolConfig { effects, requires_approval, ..ToolConfig::default() };
        for (hints, own, expected) in [
            (json!({}), own(None, None), (external, false)),
            (json!({"readOnlyHint": true, "destructiveHint": true}), own(None, None), (none, false)),
            (json!({"readOnlyHint": false, "destructiveHint": true}), own(None, None), (external, true)),
            (json!({"destructiveHint": false}), own(None, None), (external, false)),
            (json!({}), own(Some(none), None), (none, false)),
            (json!({"readOnlyHint": true}), own(Some(external), Some(true)), (external, true)),
            (json!({"destructiveHint": true}), own(None, Some(false)), (external, false)),
        ] {
            assert_eq!(consequences(hints.clone(), own), expected, "{hints}");
        }
    }

    #[test]
    fn what_is_no_tool_is_refused_with_the_reason() {
        for (value, why) in [
            (json!({"name": "", "inputSchema": {}}), "name"),
            (json!({"name": "a b", "inputSchema": {}}), "name"),
            (json!({"name": "a", "inputSchema": {"type": "banana"}}), "$.type is no type"),
            (json!({"name": "a", "inputSchema": {"type": "string"}}), "object"),
            (json!({"name": "a", "inputSchema": {"description": "x".repeat(300 << 10)}}), "KiB"),
        ] {
            let error = read(&config(), &tool(value)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
