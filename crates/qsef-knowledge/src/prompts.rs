//! The prompt files that this crate uses.

use std::sync::LazyLock;

use qsef_core::{Message, prompt::conversation};

/// The conversation before a question with pieces of documents.
pub(crate) static LIBRARIAN: LazyLock<Vec<Message>> =
    LazyLock::new(|| conversation(include_str!("../../../prompts/librarian.md")));

/// The conversation before a piece whose relations are to be read.
pub(crate) static RELATIONS: LazyLock<Vec<Message>> =
    LazyLock::new(|| conversation(include_str!("../../../prompts/relations.md")));

#[cfg(test)]
mod tests {
    use qsef_core::Role;

    use super::*;

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
