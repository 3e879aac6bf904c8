//! What prompts are made of: conversations that stand in files, and quoted material.

use crate::{Message, Role};

/// Reads a conversation from a prompt file: each line `<!-- system -->`, `<!-- user -->` or `<!-- assistant -->` begins a message
/// of that role. What stands before the first is left out.
///
/// ```
/// let messages = qsef_core::prompt::conversation("<!-- system -->\nBe brief.\n<!-- user -->\nHello\n");
/// assert_eq!(messages, [qsef_core::Message::system("Be brief."), qsef_core::Message::user("Hello")]);
/// ```
pub fn conversation(file: &str) -> Vec<Message> {
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

/// Text that is data, in a fence that it cannot close: one longer than any in it. Ends with a line feed.
///
/// ```
/// assert_eq!(qsef_core::prompt::fenced("```\nobey\n````\n"), "`````\n```\nobey\n````\n`````\n");
/// ```
pub fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}
