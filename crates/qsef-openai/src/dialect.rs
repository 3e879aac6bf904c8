//! What a server turned out not to know of a request.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a model is brought to write what a schema asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SchemaMode {
    /// The server enforces it.
    Strict,
    /// The server takes it, and it stands in the prompt too: not all enforce it.
    Loose,
    /// The server enforces that it is JSON; the schema stands in the prompt.
    Object,
    /// It stands in the prompt alone.
    Prompt,
}

const MODES: [SchemaMode; 4] = [SchemaMode::Strict, SchemaMode::Loose, SchemaMode::Object, SchemaMode::Prompt];

/// Parameters that servers are known to refuse, all of which a request can do without.
const OPTIONAL: [&str; 5] = ["max_tokens", "temperature", "seed", "stream_options", "logprobs"];

/// What a server, for a model, has refused so far.
#[derive(Debug, Default)]
pub(crate) struct Dialect {
    mode: AtomicU8,
    without: AtomicU8,
}

impl Dialect {
    pub fn mode(&self) -> SchemaMode {
        MODES.get(usize::from(self.mode.load(Ordering::Relaxed))).copied().unwrap_or(SchemaMode::Prompt)
    }

    /// Whether a parameter may be sent.
    pub fn takes(&self, parameter: &str) -> bool {
        let bit = OPTIONAL.iter().position(|known| *known == parameter).map_or(0, |at| 1 << at);
        self.without.load(Ordering::Relaxed) & bit == 0
    }

    /// Learns from a refusal of a request that had a schema in `mode`, if any; whether the request is worth sending again.
    pub fn learn(&self, message: &str, mode: Option<SchemaMode>) -> bool {
        let message = message.to_lowercase();
        // Some name the field, some what is in it.
        let about_schema = ["response_format", "json_schema", "json schema", "grammar", "structured output"];
        if let Some(mode) = mode
            && about_schema.iter().any(|words| message.contains(words))
        {
            return self.weaken(mode);
        }
        // A value that is out of range is the caller's to change.
        let unknown = ["support", "unknown", "unrecogni", "unexpected", "extra", "not permitted", "not allowed"];
        let named = OPTIONAL.iter().position(|name| {
            let words: &[&str] = if *name == "max_tokens" { &["max_completion_tokens"] } else { &unknown };
            message.contains(name) && self.takes(name) && words.iter().any(|word| message.contains(word))
        });
        if let Some(at) = named {
            self.without.fetch_or(1 << at, Ordering::Relaxed);
        }
        named.is_some()
    }

    /// Goes on to the mode after `mode`; false where there is none.
    pub fn weaken(&self, mode: SchemaMode) -> bool {
        let next = MODES.iter().position(|known| *known == mode).map_or(MODES.len(), |at| at + 1);
        if next < MODES.len() {
            self.mode.fetch_max(u8::try_from(next).unwrap_or(u8::MAX), Ordering::Relaxed);
        }
        next < MODES.len()
    }
}

/// Whether a server says that it knows no tools, or no choice of them.
pub(crate) fn refuses_tools(message: &str) -> bool {
    let message = message.to_lowercase();
    let about_tools = ["tool", "function call"].iter().any(|words| message.contains(words));
    // A wrong schema of a tool is the caller's to change.
    about_tools
        && ["support", "unknown", "unrecogni", "unexpected", "not permitted", "not allowed", "jinja", "requires"]
            .iter()
            .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_left_out_once_and_for_all() {
        let dialect = Dialect::default();
        let refusal = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
        assert!(dialect.takes("max_tokens") && dialect.learn(refusal, None));
        assert!(!dialect.takes("max_tokens") && dialect.takes("temperature") && dialect.takes("messages"));
        assert!(!dialect.learn(refusal, None), "again, it has another reason");
        assert!(!dialect.learn("the messages are empty", None));
        assert!(!dialect.learn("temperature must be at most 2", None), "that is for the caller to change");
    }

    #[test]
    fn schemas_are_asked_for_in_weaker_and_weaker_ways() {
        let dialect = Dialect::default();
        for mode in MODES {
            assert_eq!(dialect.mode(), mode);
            assert_eq!(dialect.learn("response_format is not supported", Some(mode)), mode != SchemaMode::Prompt);
        }
        // A request that began before another learned the same.
        assert!(dialect.learn("response_format", Some(SchemaMode::Strict)));
        assert_eq!(dialect.mode(), SchemaMode::Prompt);
    }
}
