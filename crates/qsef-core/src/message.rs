use serde::{Deserialize, Serialize};

use crate::ToolCall;

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Instructions of the application.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    /// The name that chat templates use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// Bytes of an image or a sound with their MIME type.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// For example `image/png` or `audio/wav`.
    pub mime: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({}, {} bytes)", self.mime, self.bytes.len())
    }
}

/// One part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image(Media),
    /// A sound.
    Audio(Media),
    /// A tool that the model asked for, in a message of its own ([`Role::Assistant`]).
    #[serde(rename = "tool_call")]
    ToolCall(ToolCall),
    /// What came of it, in a message of [`Role::Tool`].
    #[serde(rename = "tool_result")]
    ToolResult {
        /// The [`ToolCall::id`] that it answers.
        id: String,
        /// What the tool returned: data, whatever it looks like.
        text: String,
    },
}

/// One message of a conversation: a role and its parts in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message of one text part.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }

    /// A system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::text(Role::System, text)
    }

    /// A user's message.
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text)
    }

    /// A model's message.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text)
    }

    /// A model's message with the tools that it asked for, after what it said, if anything.
    pub fn calls(text: impl Into<String>, calls: impl IntoIterator<Item = ToolCall>) -> Self {
        let text = Some(text.into()).filter(|text| !text.is_empty()).map(Part::Text);
        Self { role: Role::Assistant, parts: text.into_iter().chain(calls.into_iter().map(Part::ToolCall)).collect() }
    }

    /// What a tool returned to the call with this id.
    pub fn tool_result(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { role: Role::Tool, parts: vec![Part::ToolResult { id: id.into(), text: text.into() }] }
    }

    /// The message as text, or the name of the first part that is not text.
    pub fn as_text(&self) -> Result<String, &'static str> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.as_str()),
                Part::Image(_) => Err("image"),
                Part::Audio(_) => Err("audio"),
                Part::ToolCall(_) => Err("tool call"),
                Part::ToolResult { .. } => Err("tool result"),
            })
            .collect()
    }
}
