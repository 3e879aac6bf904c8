//! Tokens of a request, counted before it is sent.

use qsef_core::{OutputFormat, Part, Request};
use tiktoken_rs::{
    CoreBPE, cl100k_base_singleton, o200k_base_singleton,
    tokenizer::{Tokenizer, get_tokenizer},
};

/// What OpenAI puts around each message, and before the answer (its cookbook, "How to count tokens with tiktoken").
const AROUND_MESSAGE: usize = 3;
const BEFORE_ANSWER: usize = 3;

/// An image or a sound, whose tokens depend on its size and on the model.
const MEDIA: usize = 1000;

/// The tokens of a request's prompt, with the model's own vocabulary where it is known: for OpenAI's chat models. For others, at four
/// bytes a token. A schema and tools are counted as the text that they are.
pub(crate) fn count(model: &str, request: &Request) -> u64 {
    let Some(vocabulary) = vocabulary(model) else { return request.approximate_tokens() };
    let tokens = |text: &str| vocabulary.encode_ordinary(text).len();
    let part = |part: &Part| match part {
        Part::Text(text) | Part::ToolResult { text, .. } => tokens(text),
        Part::ToolCall(call) => tokens(&call.name) + tokens(&call.arguments.to_string()),
        _ => MEDIA,
    };
    let tools = request.tools.iter().map(|tool| tokens(&tool.to_json().to_string()));
    let messages = request
        .messages
        .iter()
        .map(|message| AROUND_MESSAGE + tokens(message.role.as_str()) + message.parts.iter().map(part).sum::<usize>());
    let schema = match &request.format {
        OutputFormat::JsonSchema(schema) => tokens(&schema.to_string()),
        _ => 0,
    };
    (messages.sum::<usize>() + tools.sum::<usize>() + schema + BEFORE_ANSWER) as u64
}

/// The vocabulary of a model, under the name of a provider or not: `openai/gpt-4o`.
fn vocabulary(model: &str) -> Option<&'static CoreBPE> {
    let name = model.rsplit('/').next().unwrap_or(model);
    match get_tokenizer(name)? {
        // gpt-oss differs in special tokens only, which no message has.
        Tokenizer::O200kBase | Tokenizer::O200kHarmony => Some(o200k_base_singleton()),
        Tokenizer::Cl100kBase => Some(cl100k_base_singleton()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::Message;

    /// The messages of OpenAI's cookbook, with what its API counted on 2024-08 and before. There four of them have a `name`, which
    /// counts as one token and those of the name.
    #[test]
    fn openai_counts_the_same() {
        let messages = vec![
            Message::system(
                "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
            ),
            Message::system("New synergies will help drive top-line growth."),
            Message::system("Things working well together will increase revenue."),
            Message::system(
                "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
            ),
            Message::system("Let's talk later when we're less busy about how to do better."),
            Message::user("This late pivot means we don't have time to boil the ocean for the client deliverable."),
        ];
        let request = Request::new(messages);
        for (model, counted) in [("gpt-4-0613", 129), ("gpt-4o", 124), ("openai/gpt-4o-mini", 124)] {
            let names = ["example_user", "example_assistant", "example_user", "example_assistant"];
            let names = names.map(|name| 1 + vocabulary(model).unwrap().encode_ordinary(name).len() as u64);
            let began = std::time::Instant::now();
            assert_eq!(count(model, &request) + names.iter().sum::<u64>(), counted, "{model}");
            eprintln!("{model}: {:?}; at four bytes a token {}", began.elapsed(), request.approximate_tokens());
        }
        assert_eq!(count("qwen2.5", &request), request.approximate_tokens());
    }

    #[test]
    fn names_of_special_tokens_in_messages_are_letters_and_a_schema_counts() {
        let ask = |text: &str| Request::new(vec![Message::user(text)]);
        assert!(count("gpt-4o", &ask("<|endoftext|>")) > count("gpt-4o", &ask("x")) + 3);
        let schema = serde_json::json!({"type": "object", "properties": {"city": {"type": "string"}}});
        assert!(count("gpt-4o", &ask("x").json_schema(schema)) > count("gpt-4o", &ask("x")) + 10);
    }
}
