//! From a request that asks for one thing to the look-ups behind it: "who brings my last order?" needs that order
//! first. The model writes the look-ups, constrained to the kinds of thing that the experts know; it chooses no expert.

use qsef_core::{AnyModel, Message, Request, Result, Usage};
use serde::Deserialize;

use super::{graph::TypeGraph, types::Kind};
use crate::{chat::generate, prompts};

/// The most look-ups behind one request.
const MOST: usize = 5;

/// One look-up, in the model's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookUp {
    /// What is looked up.
    pub what: String,
    /// The same without names, which say nothing of who can do it.
    pub plain: String,
    /// The kind of thing that it finds; `None` for a fact, a text or the like.
    pub kind: Option<Kind>,
    /// Whether it names a thing.
    pub named: bool,
}

#[derive(Deserialize)]
struct Answer {
    lookups: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    what: String,
    kind: String,
}

/// Unfolds a request. Unusable output is no error: the request is one look-up then.
///
/// # Errors
/// The model's own.
pub(super) async fn unfold(model: &AnyModel, graph: &TypeGraph, request: &str) -> Result<(Vec<LookUp>, Usage)> {
    let kinds = graph.kinds();
    let prefix = prompts::unfold();
    let mut messages = prefix.to_vec();
    messages.push(Message::user(format!("Kinds: {}\nRequest: {request}", kinds.join(", "))));
    let call = Request::new(messages).json_schema(schema(&kinds)).max_tokens(160).prefix_messages(prefix.len());
    let generation = generate(model, call).await?;
    tracing::debug!(lookups = generation.text, "the model's look-ups");
    Ok((read(&generation.text, graph, request), generation.usage))
}

/// Reads the model's answer, or takes the request whole.
fn read(text: &str, graph: &TypeGraph, request: &str) -> Vec<LookUp> {
    let written = serde_json::from_str::<Answer>(text).map(|a| a.lookups).unwrap_or_default();
    let mut found: Vec<LookUp> = Vec::new();
    for Written { what, kind } in written.into_iter().take(MOST) {
        let repeated = found.iter().any(|f| f.what.eq_ignore_ascii_case(what.trim()));
        if what.chars().any(char::is_alphanumeric) && !repeated {
            let kind: Option<Kind> = (kind != "value").then(|| kind.split(' ').map(str::to_owned).collect());
            let ends = kind.is_none();
            found.push(look_up(what.trim(), kind, graph));
            // No expert goes on from a value.
            if ends {
                break;
            }
        }
    }
    if found.is_empty() { vec![look_up(request, None, graph)] } else { found }
}

/// A look-up of these words.
pub(super) fn look_up(what: &str, kind: Option<Kind>, graph: &TypeGraph) -> LookUp {
    let (plain, named) = without_names(what, graph);
    LookUp { what: what.to_owned(), plain, kind, named }
}

/// A text without its names, and whether it has any: what is quoted, and words in capitals that no expert's profile has. A word
/// that begins the text tells nothing by its capital, and numbers go with the name that they stand beside.
pub(super) fn without_names(text: &str, graph: &TypeGraph) -> (String, bool) {
    let unquoted = qsef_score::text::unquote(text);
    let mut named = unquoted.len() < text.len();
    let mut kept = Vec::new();
    for (i, word) in unquoted.split_whitespace().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = bare.chars().next().is_some_and(char::is_uppercase);
        let own = bare == "I" || bare.starts_with("I'") || bare.split('-').any(|part| graph.knows(part));
        if i > 0 && capital && !own {
            named = true;
        } else {
            kept.push(word);
        }
    }
    let plain = kept.join(" ");
    if plain.chars().any(char::is_alphabetic) { (plain, named) } else { (text.to_owned(), named) }
}

fn schema(kinds: &[String]) -> serde_json::Value {
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).chain(["value"]).collect();
    serde_json::json!({
        "type": "object",
        "properties": {"lookups": {
            "type": "array", "minItems": 1, "maxItems": MOST,
            "items": {
                "type": "object",
                "properties": {
                    "what": {"type": "string", "minLength": 1, "maxLength": 90},
                    "kind": {"enum": kinds}
                },
                "required": ["what", "kind"], "additionalProperties": false
            }
        }},
        "required": ["lookups"], "additionalProperties": false
    })
}
