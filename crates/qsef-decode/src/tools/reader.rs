use qsef_core::{Request, ToolCall};
use serde::Deserialize;
use serde_json::Value;

use super::{CLOSE, OPEN, bare};

/// A call as a model writes it.
#[derive(Deserialize)]
struct Written {
    name: String,
    arguments: Value,
}

/// Tells calls from text while an answer is written.
pub struct Reader {
    /// What may be the beginning of a call.
    held: String,
    /// Calls in the conversation so far, this answer's included.
    number: usize,
    has_read: bool,
    /// How calls without tags begin; empty once the answer has begun otherwise.
    bare: Vec<String>,
}

impl Reader {
    /// For the answer to a request; None where it offers no tools.
    pub fn new(request: &Request) -> Option<Self> {
        let bare = request.eligible_tools().map(|tool| bare(&tool.name)).collect();
        let number = request.earlier_calls();
        (!request.tools.is_empty()).then_some(Self { held: String::new(), number, has_read: false, bare })
    }

    /// Whether a call was read.
    pub fn has_read(&self) -> bool {
        self.has_read
    }

    /// Takes in what was written next: the text in it, without white space before a call, and the calls that are whole.
    pub fn push(&mut self, written: &str) -> (String, Vec<ToolCall>) {
        self.held.push_str(written);
        let (mut text, mut calls) = (String::new(), Vec::new());
        if self.bare.iter().any(|call| call.starts_with(&self.held) || self.held.starts_with(call)) {
            let held = std::mem::take(&mut self.held);
            match self.read(&held) {
                Some(call) => {
                    calls.push(call);
                    self.bare.clear();
                }
                None => self.held = held,
            }
            return (text, calls);
        }
        self.bare.clear();
        while let Some((before, rest)) = self.held.split_once(OPEN) {
            text.push_str(before.trim_end());
            let Some((body, after)) = rest.split_once(CLOSE) else {
                self.held = format!("{OPEN}{rest}");
                return (text, calls);
            };
            let (body, after) = (body.to_owned(), after.to_owned());
            match self.read(&body) {
                Some(call) => calls.push(call),
                None => text.extend([OPEN, body.as_str(), CLOSE]),
            }
            self.held = after;
        }
        let begun = (1..OPEN.len()).rev().filter_map(|length| OPEN.get(..length));
        let free = begun.filter_map(|tag| self.held.strip_suffix(tag)).next().unwrap_or(&self.held).trim_end().len();
        let tail = self.held.split_off(free);
        text.push_str(&std::mem::replace(&mut self.held, tail));
        (text, calls)
    }

    /// A call, where this is one.
    fn read(&mut self, body: &str) -> Option<ToolCall> {
        let Written { name, arguments } = serde_json::from_str(body).ok()?;
        self.number += 1;
        self.has_read = true;
        Some(ToolCall { id: format!("call-{}", self.number), name, arguments })
    }

    /// The text that was held back, at the end of the answer. Half a call is none.
    pub fn finish(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let is_cut = || serde_json::from_str::<Written>(&held).is_err_and(|error| error.is_eof());
        let is_half = held.starts_with(OPEN) || (self.bare.iter().any(|call| held.starts_with(call)) && is_cut());
        if is_half || (self.has_read && held.trim().is_empty()) { String::new() } else { held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qsef_core::{Message, Tool};
    use serde_json::json;

    fn reader() -> Reader {
        let earlier = ToolCall { id: "call-1".into(), name: "a".into(), arguments: json!({}) };
        let request = Request::new(vec![Message::calls("", [earlier])]).tools([Tool::new("a", "", json!({}))]);
        Reader::new(&request).unwrap()
    }

    #[test]
    fn text_and_calls_are_told_apart_wherever_they_are_cut() {
        let call = |n: usize| format!("<tool_call>\n{{\"name\": \"a\", \"arguments\": {{\"n\": {n}}}}}\n</tool_call>");
        let written = format!("1 < 2 <tool é\n\n{}\n{}\n", call(1), call(2));
        let characters: Vec<char> = written.chars().collect();
        for size in [1, 2, 3, 7, written.len()] {
            let (mut reader, mut text, mut calls) = (reader(), String::new(), Vec::new());
            for piece in characters.chunks(size) {
                let (more, whole) = reader.push(&piece.iter().collect::<String>());
                text += &more;
                calls.extend(whole);
            }
            text += &reader.finish();
            assert_eq!(text, "1 < 2 <tool é", "{size}");
            let read: Vec<_> = calls.iter().map(|call| (call.id.as_str(), call.arguments["n"].as_u64())).collect();
            assert_eq!(read, [("call-2", Some(1)), ("call-3", Some(2))]);
        }
    }

    #[test]
    fn a_call_without_tags_is_one_when_it_is_the_whole_answer() {
        let bare = r#"{"name": "a", "arguments": {"n": 1}}"#;
        let read = |written: &str, size: usize| {
            let (mut reader, mut text, mut calls) = (reader(), String::new(), 0);
            for piece in written.chars().collect::<Vec<_>>().chunks(size) {
                let (more, whole) = reader.push(&piece.iter().collect::<String>());
                text += &more;
                calls += whole.len();
            }
            (text + &reader.finish(), calls)
        };
        for size in [1, 5, 100] {
            assert_eq!(read(bare, size), (String::new(), 1));
            assert_eq!(read(&bare[..20], size), (String::new(), 0), "half a call");
            for text in [r#"{"name": "b"}"#, r#"{"name": "a"}, she said"#, r#"{"na"#] {
                assert_eq!(read(text, size), (text.into(), 0), "{size}");
            }
        }
    }

    #[test]
    fn half_a_call_is_none_and_text_is_kept_as_it_is() {
        let mut reader = reader();
        assert_eq!(reader.push("So <tool_call>\n{\"name\":"), ("So".into(), vec![]));
        assert_eq!((reader.finish(), reader.has_read()), (String::new(), false));
        assert_eq!(reader.push("a  <").0 + &reader.finish(), "a  <");
        assert_eq!(reader.push("<tool_call>{}</tool_call>").0, "<tool_call>{}</tool_call>");
    }
}
