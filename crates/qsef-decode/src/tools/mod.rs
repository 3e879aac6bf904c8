//! Tools as models of the Hermes family, Qwen's among them, are trained to ask for them: signatures in the system message, calls as
//! JSON between `<tool_call>` and `</tool_call>`. A grammar holds other models to the same form, so that a chat template need
//! not know tools at all.

mod grammar;
mod prompt;
mod reader;

pub use grammar::grammar;
pub use prompt::conversation;
pub use reader::Reader;

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// What stands before and after the arguments of a call.
fn around(name: &str) -> (String, &'static str) {
    // Names have no character that JSON would escape (`Request::check_tools`).
    (format!("\n{{\"name\": \"{name}\", \"arguments\": "), "}\n")
}

/// How a call begins that a model writes without tags, as Qwen2.5-Coder does.
fn bare(name: &str) -> String {
    format!("{{\"name\": \"{name}\"")
}
