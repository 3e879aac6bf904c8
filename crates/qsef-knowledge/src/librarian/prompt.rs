use qsef_core::{Message, Request, prompt::fenced};
use serde::Deserialize;
use serde_json::json;

use crate::{Hit, prompts::LIBRARIAN};

/// The most of a piece that the model reads, in characters.
const MOST: usize = 1600;

/// What a model said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Said {
    /// Numbers, from 1, of the pieces that hold the answer.
    pub pieces: Vec<usize>,
    pub answer: String,
}

/// Asks for the numbers of the pieces that answer first: what is written after that keeps to them.
pub(super) fn request(question: &str, hits: &[Hit]) -> Request {
    let mut user = String::new();
    for (number, hit) in (1..).zip(hits) {
        let text: String = hit.chunk.text.chars().take(MOST).collect();
        user.push_str(&format!("Piece {number}:\n{}", fenced(&format!("{}\n{text}", hit.chunk.heading))));
    }
    // The question comes last: small models go on with what they read last.
    user.push_str(&format!("\nQuestion: {}", question.trim()));
    let numbers: Vec<usize> = (1..=hits.len()).collect();
    let mut messages = LIBRARIAN.clone();
    let before = messages.len();
    messages.push(Message::user(user));
    Request::new(messages).prefix_messages(before).json_schema(json!({
        "type": "object",
        "properties": {
            "pieces": {"type": "array", "items": {"enum": numbers}, "maxItems": 3},
            "answer": {"type": "string", "maxLength": 1200},
        },
        "required": ["pieces", "answer"],
        "additionalProperties": false,
    }))
}

/// What the model wrote, where it has the form.
pub(super) fn read(text: &str, count: usize) -> Option<Said> {
    let mut said: Said = serde_json::from_str(text).ok()?;
    let mut seen = Vec::new();
    said.pieces.retain(|number| {
        let keep = (1..=count).contains(number) && !seen.contains(number);
        seen.push(*number);
        keep
    });
    Some(said)
}
