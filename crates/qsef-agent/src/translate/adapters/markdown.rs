use pulldown_cmark::{Event, Options, Parser, Tag};
use qsef_core::{Format, Payload};
use serde_json::{Map, Value};

use super::{tables, text_of};
use crate::translate::graph::Made;

/// The tables of a Markdown text, as they stand in it.
pub(crate) fn find(text: &str) -> Vec<&str> {
    if !text.contains("--") && !text.contains("-|") && !text.contains(":-") {
        return Vec::new();
    }
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    let tables = events.filter(|(event, _)| matches!(event, Event::Start(Tag::Table(_))));
    tables.filter_map(|(_, range)| text.get(range)).map(str::trim).collect()
}

/// The cells of a line, as they are written; `\|` is a pipe in a cell, `<br>` a line break.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let mut cells = vec![String::new()];
    let mut chars = line.strip_prefix('|').unwrap_or(line).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '|' => cells.push(String::new()),
            _ => {
                let pipe = c == '\\' && chars.next_if_eq(&'|').is_some();
                if let Some(cell) = cells.last_mut() {
                    cell.push(if pipe { '|' } else { c });
                }
            }
        }
    }
    if cells.len() > 1 && cells.last().is_some_and(|cell| cell.trim().is_empty()) && line.ends_with('|') {
        cells.pop();
    }
    let breaks = regex!(r"<br ?/?>");
    cells.iter().map(|cell| breaks.replace_all(cell.trim(), "\n").into_owned()).collect()
}

/// Reads a table. Cells stay as written, marks such as `**` included; rows may be short, as in Markdown, but not too long.
pub(crate) fn parse(table: &str) -> Result<Made, String> {
    let mut lines = table.lines();
    let header = cells(lines.next().unwrap_or_default());
    lines.next().ok_or("it is not a Markdown table")?;
    let (mut rows, mut short) = (Vec::new(), false);
    for line in lines {
        let cells = cells(line);
        if cells.len() > header.len() {
            return Err("a row of the table has more cells than its header".into());
        }
        short |= cells.len() < header.len();
        let padded = cells.into_iter().map(Value::String).chain(std::iter::repeat(Value::String(String::new())));
        let row: Map<String, Value> = header.iter().cloned().zip(padded).collect();
        if row.len() != header.len() {
            return Err("two of its columns have the same name".into());
        }
        rows.push(Value::Object(row));
    }
    let empty = rows.is_empty().then(|| format!("the table has no rows; its columns were {}", header.join(", ")));
    let mut made = Made::from(Payload { format: Format::Table, ..Payload::json(Value::Array(rows)) });
    made.notes.extend(short.then(|| "rows of the table that were too short got empty cells".to_owned()));
    made.notes.extend(empty);
    Ok(made)
}

/// A payload that is one table and nothing else.
pub(super) fn read(payload: &Payload, _: &Format) -> Result<Made, String> {
    whole(text_of(payload)?)
}

/// A text that is one table and nothing else.
pub(crate) fn whole(text: &str) -> Result<Made, String> {
    match find(text).as_slice() {
        [table] if *table == text.trim() => parse(table),
        [] => Err("there is no Markdown table in it".into()),
        _ => Err("it is not one Markdown table alone".into()),
    }
}

pub(super) fn write(payload: &Payload, _: &Format) -> Result<Made, String> {
    let (header, rows, nulls) = tables::cells(&payload.value)?;
    let line = |cells: &[String]| {
        let cells =
            cells.iter().map(|cell| cell.replace('|', "\\|").replace("\r\n", "<br>").replace(['\n', '\r'], "<br>"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    if header.is_empty() {
        return Err("a Markdown table needs a column".into());
    }
    let mut text = line(&header);
    text.push_str(&format!("|{}\n", " --- |".repeat(header.len())));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    // Not every text fits in a cell. Reading the result back tells.
    let same = whole(&text)
        .is_ok_and(|read| tables::cells(&read.payload.value).is_ok_and(|(h, r, _)| h == header && r == rows));
    let mut made = Made::from(Payload::string(text, Format::MarkdownTable));
    if !same && !rows.is_empty() {
        made = made.note("white space or line breaks in cells are not as they were");
    }
    Ok(if nulls { made.note(tables::NULLS) } else { made })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_of_prose_are_read_as_written() {
        let text = "Cities:\n\n| City | **Pop** | Note |\n|:--|--:|---|\n| Berlin | 3,769,495 | a\\|b |\n| 北京 | 007 |\n\nDone.";
        let found = find(text);
        let made = parse(found[0]).unwrap();
        let expected = json!([
            {"City": "Berlin", "**Pop**": "3,769,495", "Note": "a|b"}, {"City": "北京", "**Pop**": "007", "Note": ""}
        ]);
        assert_eq!(made.payload.value, expected);
        assert!(made.notes[0].contains("too short"));
        assert!(parse("|a|b|\n|-|-|\n|1|2|3|").is_err() && parse("|a|a|\n|-|-|\n|1|2|").is_err());
        assert!(find("a -- b | c").is_empty());
    }

    #[test]
    fn what_does_not_fit_in_a_cell_is_flagged() {
        let made =
            |value| write(&Payload { format: Format::Table, ..Payload::json(value) }, &Format::MarkdownTable).unwrap();
        assert!(made(json!([{"a": "x|y\nz", "b": "\\|"}])).notes.is_empty());
        assert!(!made(json!([{"a": " x"}])).notes.is_empty());
        assert!(!made(json!([{"a": "<br>"}])).notes.is_empty());
    }
}
