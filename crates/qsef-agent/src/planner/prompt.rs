use std::sync::OnceLock;

use qsef_core::{Message, Role};

const PLAN: &str = include_str!("../../../../prompts/plan.md");

/// The prompt's messages: everything before the request.
fn prefix() -> &'static [Message] {
    static PREFIX: OnceLock<Vec<Message>> = OnceLock::new();
    PREFIX.get_or_init(|| parse(PLAN))
}

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

/// The conversation that asks for a plan, and how many of its first messages recur with every request.
pub(super) fn messages(request: &str) -> (Vec<Message>, usize) {
    let prefix = prefix();
    let mut messages = prefix.to_vec();
    messages.push(Message::user(request));
    (messages, prefix.len())
}

/// The example requests of the prompt, whose words must not leak into a plan.
pub(super) fn examples() -> Vec<String> {
    prefix().iter().filter(|m| m.role == Role::User).filter_map(|m| m.as_text().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_alternates_and_its_examples_are_plans() {
        let (messages, prefix) = messages("the request");
        assert_eq!(messages.len(), prefix + 1);
        assert_eq!(messages[0].role, Role::System);
        for pair in messages[1..prefix].chunks(2) {
            assert_eq!((pair[0].role, pair[1].role), (Role::User, Role::Assistant));
            serde_json::from_str::<super::super::Steps>(&pair[1].as_text().unwrap()).unwrap();
        }
        assert_eq!(examples().len() * 2 + 1, prefix);
    }
}
