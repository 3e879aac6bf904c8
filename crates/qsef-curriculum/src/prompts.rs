//! The prompt files, in both languages.

use std::sync::LazyLock;

use qsef_core::{Message, prompt::conversation};
use sha2::{Digest, Sha256};

use crate::item::Language;

/// Declares the prompts: a function that gives the conversation in a language, and all files with their names.
macro_rules! prompts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(language: Language) -> Vec<Message> {
            static BOTH: LazyLock<[Vec<Message>; 2]> = LazyLock::new(|| {
                [
                    conversation(include_str!(concat!("../../../prompts/curriculum/", stringify!($name), ".en.md"))),
                    conversation(include_str!(concat!("../../../prompts/curriculum/", stringify!($name), ".zh.md"))),
                ]
            });
            let [en, zh] = &*BOTH;
            match language {
                Language::En => en.clone(),
                Language::Zh => zh.clone(),
            }
        })*

        const FILES: &[(&str, &str)] = &[
            $(
                (concat!(stringify!($name), ".en.md"), include_str!(concat!("../../../prompts/curriculum/", stringify!($name), ".en.md"))),
                (concat!(stringify!($name), ".zh.md"), include_str!(concat!("../../../prompts/curriculum/", stringify!($name), ".zh.md"))),
            )*
        ];
    };
}

prompts! {
    /// Rewords numbered sentences.
    tier,
    /// Writes the question that a passage answers.
    question,
    /// Compares a passage with something of daily life.
    analogy,
    /// Marks what was written.
    judge,
    /// Writes the text of a topic.
    topic,
    /// Writes hints and a worked solution.
    reasoning,
}

/// Each prompt file's name and SHA-256, for the manifest.
pub fn hashes() -> Vec<(&'static str, String)> {
    FILES.iter().map(|(name, text)| (*name, hex(&Sha256::digest(text.as_bytes())))).collect()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use qsef_core::Role;

    use super::*;

    #[test]
    fn conversations_alternate_and_their_answers_are_json() {
        for language in [Language::En, Language::Zh] {
            for of in [tier, question, analogy, judge, topic, reasoning] {
                let messages = of(language);
                assert_eq!(messages[0].role, Role::System);
                assert!(messages[0].as_text().unwrap().len() > 40);
                for pair in messages[1..].chunks(2) {
                    assert_eq!((pair[0].role, pair[1].role), (Role::User, Role::Assistant));
                    serde_json::from_str::<serde_json::Value>(&pair[1].as_text().unwrap()).unwrap();
                }
            }
        }
        assert_eq!(hashes().len(), 12);
    }
}
