use qsef_core::{ExpertCall, Format, Input};

/// The text that a text tool is to work on: quoted or fenced in the task, else the outputs of earlier subtasks, else
/// what follows a colon or a line break. `None` where there is none of these.
pub(crate) fn text_of(call: &ExpertCall) -> Option<String> {
    let filled = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
    if let Some(fenced) = regex!(r"(?s)```[^\n]*\n(.*?)```").captures(&call.task).and_then(|c| c.get(1)) {
        return filled(fenced.as_str());
    }
    if let Some(text) = after_colon(&call.task) {
        return Some(unquoted(&text));
    }
    let longest = quoted(&call.task).into_iter().max_by_key(|text| text.len());
    if call.inputs.is_empty() {
        return longest.and_then(|text| filled(&text));
    }
    filled(&call.inputs.iter().map(text_of_input).collect::<Vec<_>>().join("\n"))
}

/// What an earlier subtask made, or the text that it was about where it made only a number of it: "count the words in
/// 'b a' and sort them".
fn text_of_input(input: &Input) -> String {
    let about = || {
        let quotes = quoted(&input.task).into_iter().max_by_key(String::len);
        after_colon(&input.task).map(|text| unquoted(&text)).or(quotes)
    };
    let number = input.payload.format == Format::Number;
    about().filter(|_| number).unwrap_or_else(|| lines(&input.payload.value))
}

/// The task without the text that it is to work on: the words that say what to do.
pub(crate) fn instruction(task: &str) -> &str {
    let end = regex!(r#"```|[:：](\s|["'“「])|：|\n"#).find(task).map_or(task.len(), |found| found.start());
    task.get(..end).unwrap_or(task)
}

/// A JSON value as lines of text: one line per item of an array.
fn lines(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(lines).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

fn after_colon(task: &str) -> Option<String> {
    // A colon inside a URL, a time or a ratio has no white space after it.
    let found = regex!(r"：|:\s+|:\s*[\x22“「]|\n").find(task)?;
    let start = found.start() + found.as_str().chars().next().map_or(0, char::len_utf8);
    let rest = task.get(start..)?.trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// The text without one pair of quotation marks around the whole of it.
fn unquoted(text: &str) -> String {
    for (open, close) in PAIRS {
        if let Some(inner) = text.strip_prefix(*open).and_then(|t| t.strip_suffix(*close))
            && !inner.contains([*open, *close])
        {
            return inner.to_owned();
        }
    }
    text.to_owned()
}

const PAIRS: &[(char, char)] =
    &[('"', '"'), ('“', '”'), ('「', '」'), ('『', '』'), ('«', '»'), ('\'', '\''), ('‘', '’')];

/// The quoted strings of a text, in order, without their quotation marks. An apostrophe inside a word opens nothing.
pub(crate) fn quoted(text: &str) -> Vec<String> {
    regex!(r#""([^"]+)"|“([^”]+)”|「([^」]+)」|『([^』]+)』|«([^»]+)»|(?:^|[\s(])['‘]([^'’\n]+)['’](?:[\s).,;:?!]|$)"#)
        .captures_iter(text)
        .filter_map(|captures| captures.iter().skip(1).flatten().next().map(|m| m.as_str().to_owned()))
        .collect()
}

#[cfg(test)]
pub(crate) fn with_input(task: &str, payload: qsef_core::Payload) -> ExpertCall {
    let mut call = ExpertCall::new(task);
    call.inputs.push(qsef_core::Input { from: 1, task: "before".into(), payload });
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_found_where_people_put_it() {
        let text = |task: &str| text_of(&ExpertCall::new(task));
        assert_eq!(text("Count the words in \"to be or not\"").as_deref(), Some("to be or not"));
        assert_eq!(text("Count the words: to be").as_deref(), Some("to be"));
        assert_eq!(text("统计字数：“你好，世界”").as_deref(), Some("你好，世界"));
        assert_eq!(text("Sort this\n```\nb\na\n```").as_deref(), Some("b\na"));
        assert_eq!(text("Extract the links from https://a.b/c").as_deref(), None);
        for nothing in ["", "Count the words", "Count the words:", "don't count 'em", "\"", "“"] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
        let call = with_input("sort them", qsef_core::Payload::json(serde_json::json!(["b", "a", 3])));
        assert_eq!(text_of(&call).as_deref(), Some("b\na\n3"));
        let mut call = with_input("sort them", qsef_core::Payload::string("2 words", Format::Number));
        call.inputs[0].task = "count the words in \"b a\"".into();
        assert_eq!(text_of(&call).as_deref(), Some("b a"));
    }
}
