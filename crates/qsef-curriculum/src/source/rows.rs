//! Rows of JSON lines: `text`, `messages`, or `question` with `answer`.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader},
    path::Path,
};

use qsef_core::{Error, Result};
use serde_json::{Map, Value};

use super::{Read, Reading, id};
use crate::{
    item::{Item, Kind, Origin, Rejected, Turn},
    quality::detect,
};

/// The longest row, in bytes; longer ones are passed over.
const MOST_BYTES: usize = 16 << 20;

/// What a row is wrong in: the field, and what would be right.
type Wrong = (&'static str, String);

/// Reads a file that rows are to name as `source`.
pub(super) fn read(path: &Path, source: &str, reading: &Reading) -> Result<Read> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut reader = BufReader::new(file);
    let mut read = Read::default();
    let mut ids = HashSet::new();
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(|e| Error::io("read", path, e))? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let origin =
            Origin { source: source.to_owned(), place: format!(":{number}"), licence: reading.licence.clone() };
        let told = match row(&line) {
            Ok(row) => take(&row, reading, origin.clone(), &mut ids, &mut read),
            Err(why) => Err(("", why)),
        };
        if let Err((field, why)) = told {
            let field = if field.is_empty() { String::new() } else { format!(" ({field})") };
            read.rejected.push(Rejected::unread(origin, format!("line {number}{field}: {why}")));
        }
    }
    Ok(read)
}

fn row(line: &[u8]) -> Result<Map<String, Value>, String> {
    if line.len() > MOST_BYTES {
        return Err(format!("{} MiB in one row; at most {} are read", line.len() >> 20, MOST_BYTES >> 20));
    }
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8 text".to_owned())?;
    serde_json::from_str(text).map_err(|e| format!("no JSON object: {e}"))
}

fn take(
    row: &Map<String, Value>,
    reading: &Reading,
    mut origin: Origin,
    ids: &mut HashSet<String>,
    read: &mut Read,
) -> Result<(), Wrong> {
    let text_of = |field: &'static str| -> Result<Option<&str>, Wrong> {
        match row.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Err((field, "it is empty".into())),
            Some(Value::String(text)) => Ok(Some(text.trim())),
            Some(_) => Err((field, "a text is needed".into())),
        }
    };
    if let Some(licence) = text_of("licence")?.or(text_of("license")?) {
        origin.licence = Some(licence.to_owned());
    }
    let name = match row.get("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        Some(_) => return Err(("id", "a text or a number is needed".into())),
    };
    if let Some(name) = &name
        && !ids.insert(name.clone())
    {
        return Err(("id", format!("`{name}` is there twice")));
    }
    let about = text_of("title")?.or(text_of("about")?).map(str::to_owned);
    if let Some(messages) = row.get("messages") {
        let mut turns = turns(messages)?;
        let Some(answer) = turns.pop().filter(|turn| turn.role == "assistant") else {
            return Err(("messages", "the last one is to be the assistant's".into()));
        };
        if turns.last().is_none_or(|turn| turn.role != "user") {
            return Err(("messages", "the last but one is to be the user's".into()));
        }
        push_answer(read, turns, answer.content, name, about, origin);
        return Ok(());
    }
    match (text_of("question")?, text_of("answer")?, text_of("text")?) {
        (Some(question), Some(answer), _) => {
            push_answer(read, vec![Turn::user(question)], answer.to_owned(), name, about, origin);
            Ok(())
        }
        (Some(_), None, _) => Err(("answer", "a question needs an answer".into())),
        (None, Some(_), _) => Err(("question", "an answer needs a question".into())),
        (None, None, Some(text)) => {
            reading.push(read, text, about, &origin, name.as_deref());
            Ok(())
        }
        (None, None, None) => Err(("text", "a row has `text`, `messages`, or `question` and `answer`".into())),
    }
}

fn turns(messages: &Value) -> Result<Vec<Turn>, Wrong> {
    let wrong = |what: String| ("messages", what);
    let list = messages.as_array().ok_or_else(|| wrong("a list is needed".into()))?;
    (1..)
        .zip(list)
        .map(|(number, message): (usize, _)| {
            let of = |field: &str| message.get(field).and_then(Value::as_str);
            match (of("role"), of("content")) {
                (Some(role @ ("system" | "user" | "assistant")), Some(content)) if !content.trim().is_empty() => {
                    Ok(Turn { role: role.into(), content: content.trim().into() })
                }
                (Some("system" | "user" | "assistant"), _) => Err(wrong(format!("message {number} has no content"))),
                (Some(role), _) => {
                    Err(wrong(format!("message {number}: `{role}` is no role; system, user and assistant are")))
                }
                (None, _) => Err(wrong(format!("message {number} has no role"))),
            }
        })
        .collect()
}

fn push_answer(
    read: &mut Read,
    prompt: Vec<Turn>,
    answer: String,
    name: Option<String>,
    about: Option<String>,
    origin: Origin,
) {
    let question = prompt.last().map_or("", |turn| turn.content.as_str());
    let kind = if is_reasoning(question, &answer) { Kind::Reasoning } else { Kind::Answer };
    let id = name.unwrap_or_else(|| id(&[&origin.source, &origin.place, question, &answer]));
    let language = detect(&answer).or_else(|| detect(question)).unwrap_or_default();
    read.items.push(Item { id, kind, language, origin, prompt, about, text: answer });
}

/// Whether an answer is computed: a question with numbers whose answer ends with one, after calculations or alone.
fn is_reasoning(question: &str, answer: &str) -> bool {
    let has_numbers = question.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count() >= 2;
    let last = answer.lines().last().unwrap_or_default();
    let ends = last.trim_end_matches(['.', '。', '%', ' ']).ends_with(|c: char| c.is_ascii_digit());
    let computes = answer.contains('=') || answer.contains("####") || answer.split_whitespace().count() <= 3;
    has_numbers && ends && computes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &str) -> Read {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        std::fs::write(&path, lines).unwrap();
        read(&path, "rows.jsonl", &Reading { passage_words: 20, licence: Some("MIT".into()) }).unwrap()
    }

    #[test]
    fn each_form_is_read() {
        let read = of(concat!(
            "{\"id\":\"a\",\"text\":\"Ferrets sleep for a long time.\",\"license\":\"CC0\"}\n\n",
            "{\"id\":7,\"question\":\"Why?\",\"answer\":\"Because they are tired.\"}\n",
            "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Hello there.\"}]}\n",
            "{\"question\":\"Ann has 3 of 12 eggs. How many are left?\",\"answer\":\"12 - 3 = 9\\n#### 9\"}\n",
            "{\"text\":\"知识图谱描述概念的关系，也描述属性。\"}\n",
        ));
        assert_eq!(read.rejected, []);
        let seen: Vec<_> = read.items.iter().map(|i| (i.kind, i.prompt.len(), i.language.code())).collect();
        assert_eq!(
            seen,
            [
                (Kind::Passage, 0, "en"),
                (Kind::Answer, 1, "en"),
                (Kind::Answer, 2, "en"),
                (Kind::Reasoning, 1, "en"),
                (Kind::Passage, 0, "zh")
            ]
        );
        assert_eq!((read.items[0].id.as_str(), read.items[0].origin.licence.as_deref()), ("a", Some("CC0")));
        assert_eq!((read.items[1].id.as_str(), read.items[1].origin.place.as_str()), ("7", ":3"));
    }

    #[test]
    fn bad_rows_are_told_with_their_line_and_field_and_the_rest_goes_on() {
        let read = of(concat!(
            "{oops\n[1]\n{\"text\":\"\"}\n{\"text\":5}\n{\"question\":\"x?\"}\n{}\n{\"messages\":[]}\n",
            "{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}\n{\"id\":\"a\",\"text\":\"Good row.\"}\n{\"id\":\"a\",\"text\":\"Again.\"}\n",
        ));
        assert_eq!(read.items.len(), 1);
        let reasons: Vec<&str> = read.rejected.iter().map(|r| r.reason.as_str()).collect();
        for (reason, wanted) in reasons.iter().zip([
            "line 1: no JSON object",
            "line 2: no JSON object",
            "line 3 (text): it is empty",
            "line 4 (text): a text is needed",
            "line 5 (answer)",
            "line 6 (text): a row has",
            "line 7 (messages)",
            "line 8 (messages): message 1: `robot`",
            "line 10 (id): `a` is there twice",
        ]) {
            assert!(reason.starts_with(wanted), "{reason}");
        }
        assert_eq!(reasons.len(), 9);
    }

    #[test]
    fn long_texts_are_cut_into_passages() {
        let text = "One two three four five six. ".repeat(40_000);
        let read = of(&format!("{{\"id\":\"long\",\"text\":\"{text}\"}}\n"));
        assert_eq!(read.items.len(), 240_000_usize.div_ceil(18));
        assert_eq!(read.items[1].id, "long-2");
    }
}
