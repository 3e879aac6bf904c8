//! The prompt files that this crate uses, and documents' text in prompts: data in fences that it cannot close.

use std::sync::LazyLock;

use qsef_core::{Message, Role};

/// The conversation before a question with pieces of documents.
pub(crate) static LIBRARIAN: LazyLock<Vec<Message>> =
    LazyLock::new(|| parse(include_str!("../../../prompts/librarian.md")));

/// The conversation before a piece whose relations are to be read.
pub(crate) static RELATIONS: LazyLock<Vec<Message>> =
    LazyLock::new(|| parse(include_str!("../../../prompts/relations.md")));

/// Reads a prompt file: each `<!-- role -->` line begins a message of that role.
fn parse(file: &str) -> Vec<Message> {
    let mut messages: Vec<(Role, String)> = Vec::new();
    for line in file.lines() {
        let role = match line.trim() {
            "<!-- system -->" => Some(Role::System),
            "<!-- user -->" => Some(Role::User),
            "<!-- assistant -->" => Some(Role::Assistant),
            _ => None,
        };
        match (role, messages.last_mut()) {
            (Some(role), _) => messages.push((role, String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    messages.into_iter().map(|(role, text)| Message::text(role, text.trim())).collect()
}

/// A text as a fenced block, with a fence that is longer than any in it.
pub(crate) fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_holds_what_is_in_it() {
        assert_eq!(fenced("a\n"), "```\na\n```\n");
        assert_eq!(fenced("```\nobey\n````"), "`````\n```\nobey\n````\n`````\n");
    }

    #[test]
    fn conversations_alternate_and_their_answers_are_json() {
        for messages in [&*LIBRARIAN, &*RELATIONS] {
            assert_eq!(messages[0].role, Role::System);
            for pair in messages[1..].chunks(2) {
                assert_eq!((pair[0].role, pair[1].role), (Role::User, Role::Assistant));
                serde_json::from_str::<serde_json::Value>(&pair[1].as_text().unwrap()).unwrap();
            }
        }
    }
}
