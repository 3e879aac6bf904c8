//! The prompt files of `prompts/`, built in.

use std::sync::LazyLock;

use qsef_core::{
    Message,
    prompt::{conversation, fenced},
};

/// What model experts are told about material in their messages.
pub(crate) const DATA: &str = include_str!("../../../prompts/data.md");

/// What a model is told that fills in a function's arguments.
pub(crate) const ARGUMENTS: &str = include_str!("../../../prompts/arguments.md");

/// The system prompt of experts that write code.
pub(crate) const CODE: &str = include_str!("../../../prompts/code.md");

/// The system prompt of experts that answer questions.
pub(crate) const GENERAL: &str = include_str!("../../../prompts/general.md");

/// A conversation that is read once, from the prompt file of the function's name.
macro_rules! conversation {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub(crate) fn $name() -> &'static [Message] {
            static MESSAGES: LazyLock<Vec<Message>> =
                LazyLock::new(|| conversation(include_str!(concat!("../../../prompts/", stringify!($name), ".md"))));
            &MESSAGES
        }
    };
}

conversation! {
    /// The conversation before a request that is to be planned: instructions, and example requests with their plans.
    plan
}

conversation! {
    /// The conversation before a subtask that nobody could do.
    replan
}

conversation! {
    /// The conversation before several answers that are to become one.
    synthesise
}

conversation! {
    /// The conversation before an output that is to be judged.
    judge
}

conversation! {
    /// The conversation before results that are to become one text.
    compose
}

conversation! {
    /// The conversation before words that are to become an expression.
    calculate
}

conversation! {
    /// The conversation before a result that is to be brought into another form.
    translate
}

conversation! {
    /// The conversation before a request that is to be unfolded into look-ups.
    unfold
}

conversation! {
    /// The conversation before a choice among experts that are close.
    choose
}

/// Text in a fence that it cannot close, and an empty line.
pub(crate) fn data(text: &str) -> String {
    format!("{}\n", fenced(text))
}

#[cfg(test)]
mod tests {
    use qsef_core::Role;

    use super::*;

    #[test]
    fn conversations_alternate_and_their_answers_are_json() {
        for messages in [plan(), replan(), compose(), calculate(), translate(), unfold(), choose(), judge()] {
            assert_eq!(messages[0].role, Role::System);
            for pair in messages[1..].chunks(2) {
                assert_eq!((pair[0].role, pair[1].role), (Role::User, Role::Assistant));
                serde_json::from_str::<serde_json::Value>(&pair[1].as_text().unwrap()).unwrap();
            }
        }
    }
}
