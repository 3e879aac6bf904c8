use qsef_core::{Format, Payload};
use serde_json::Value;

use super::text_of;
use crate::translate::graph::Made;

fn list(items: Vec<String>) -> Made {
    let value = items.into_iter().map(Value::String).collect();
    Payload { format: Format::List, ..Payload::json(value) }.into()
}

pub(super) fn from_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    if !payload.value.is_array() {
        return Err("it is not a list".into());
    }
    Ok(Payload { format: Format::List, ..payload.clone() }.into())
}

pub(super) fn to_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    Ok(Payload { format: Format::Json, ..payload.clone() }.into())
}

/// One line per item, further lines of an item indented.
pub(super) fn to_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let items = payload.value.as_array().ok_or("it is not a list")?;
    let line = |item: &Value| match item {
        Value::String(text) => format!("- {}", text.replace('\n', "\n  ")),
        other => format!("- {other}"),
    };
    let lines: Vec<String> = items.iter().map(line).collect();
    Ok(Payload::text(if lines.is_empty() { "(none)".to_owned() } else { lines.join("\n") }).into())
}

/// The marks that begin an item: a dash, a bullet, a number with a full stop or a bracket, also the Chinese ones.
pub(crate) const MARK: &str =
    r"^\s{0,8}(?:[-*+•·]\s+|\d{1,3}[.)]\s+|\d{1,3}[、．]\s*|[(（]\d{1,3}[)）]\s*|[一二三四五六七八九十]{1,3}、\s*)";

/// The items of each run of marked lines, with the lines that belong to none.
fn runs(text: &str) -> (Vec<Vec<String>>, usize) {
    let mark = regex!(MARK);
    let (mut runs, mut others, mut open): (Vec<Vec<String>>, usize, bool) = (Vec::new(), 0, false);
    for line in text.lines() {
        if let Some(found) = mark.find(line) {
            let item = line.get(found.end()..).unwrap_or_default().trim_end().to_owned();
            match runs.last_mut().filter(|_| open) {
                // A mark that is indented belongs to the item above.
                Some(items) if found.as_str().starts_with("  ") => append(items, &format!("- {item}")),
                Some(items) => items.push(item),
                None => runs.push(vec![item]),
            }
            open = true;
        } else if line.trim().is_empty() {
        } else if open && line.starts_with([' ', '\t']) {
            runs.last_mut().into_iter().for_each(|items| append(items, line.trim()));
        } else {
            open = false;
            others += 1;
        }
    }
    (runs, others)
}

fn append(items: &mut [String], line: &str) {
    if let Some(last) = items.last_mut() {
        last.push('\n');
        last.push_str(line);
    }
}

/// A text that is a list and nothing else: marked lines, or short lines without marks.
pub(super) fn from_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    match runs(text) {
        (mut runs, 0) if runs.len() == 1 => return Ok(list(runs.remove(0))),
        (runs, _) if !runs.is_empty() => return Err("it is not a list alone".into()),
        _ => {}
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // A line with commas or tabs is rather a row of a table.
    let end = ['.', '!', '?', ':', '。', '！', '？', '：', '，'];
    let short =
        |line: &&str| line.chars().count() <= 80 && !line.ends_with(end) && !line.contains([',', ';', '\t', '|']);
    let plain = !text.contains("```") && !text.trim_start().starts_with(['|', '{', '[', '<']);
    if lines.len() < 2 || !plain || !lines.iter().all(short) {
        return Err("it is not a list".into());
    }
    Ok(list(lines.into_iter().map(str::to_owned).collect()))
}

/// The one list of marked lines that stands in a text.
pub(super) fn in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let (mut runs, _) = runs(text_of(payload)?);
    match runs.len() {
        1 => Ok(list(runs.remove(0))),
        0 => Err("there is no list in it".into()),
        _ => Err("there are several lists in it".into()),
    }
}

/// "a, b and c" on one line. A person's "Smith, John" and a clause have commas too, so at least three short items are needed,
/// and how it was read is noted.
pub(super) fn enumerated(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?.trim().trim_end_matches(['.', '。']);
    let no = || "it is not a list".to_owned();
    if text.contains(['\n', '.', '!', '?', ':', '"', '{', '[', '。', '！', '？', '：', '“']) || text.len() > 2_000
    {
        return Err(no());
    }
    let chinese = text.contains('、');
    let split = if chinese {
        regex!(r"、|和|与|以及")
    } else {
        regex!(r"(?:,|;|，|；)\s+(?:and\s+|or\s+)?|，|；|\s+(?:and|or|&)\s+")
    };
    let items: Vec<String> = split.split(text).map(|item| item.trim().to_owned()).collect();
    let short = |item: &String| !item.is_empty() && item.split_whitespace().count() <= 4 && item.chars().count() <= 40;
    if items.len() < 3 || !items.iter().all(short) {
        return Err(no());
    }
    Ok(list(items).note("what commas separate is read as the items of a list"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(by: crate::translate::graph::Convert, text: &str) -> Option<Value> {
        by(&Payload::text(text), &Format::List).ok().map(|made| made.payload.value)
    }

    #[test]
    fn lists_are_read_as_people_write_them() {
        assert_eq!(read(from_text, "- a\n- b, c\n"), Some(json!(["a", "b, c"])));
        assert_eq!(read(from_text, "1. a\n   more\n2) b\n  - c"), Some(json!(["a\nmore", "b\n- c"])));
        assert_eq!(read(from_text, "1、苹果\n2、香蕉"), Some(json!(["苹果", "香蕉"])));
        assert_eq!(read(from_text, "Berlin\nParis"), Some(json!(["Berlin", "Paris"])));
        assert_eq!(read(in_text, "You need:\n- a\n- b\nThat is all."), Some(json!(["a", "b"])));
        assert_eq!(read(enumerated, "apples, 1,000 pears and figs."), Some(json!(["apples", "1,000 pears", "figs"])));
        assert_eq!(read(enumerated, "北京、上海和广州"), Some(json!(["北京", "上海", "广州"])));
        for none in
            ["", "A text.", "-5\n-6 is less.", "Smith, John", "We went home, ate a good dinner there and slept."]
        {
            assert_eq!(read(from_text, none).or(read(in_text, none)).or(read(enumerated, none)), None, "{none}");
        }
    }
}
