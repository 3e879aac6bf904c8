use csv::{QuoteStyle, ReaderBuilder, StringRecord, WriterBuilder};
use qsef_core::{Format, Payload};
use serde_json::{Map, Value};

use super::{tables, text_of};
use crate::translate::graph::Made;

/// Reads the header and the rows; every row must have a cell for each column, and no two columns the same name.
pub(crate) fn parse(text: &str, delimiter: u8) -> Result<(StringRecord, Vec<StringRecord>), String> {
    let say = |e: csv::Error| format!("it is not CSV with a header: {e}");
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers().map_err(say)?.clone();
    let mut names: Vec<&str> = header.iter().collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("two of its columns have the same name".into());
    }
    let rows = reader.records().collect::<Result<_, _>>().map_err(say)?;
    Ok((header, rows))
}

/// As [`parse`], with commas, or where there is one column, with semicolons or tabs if these make several.
pub(crate) fn parse_any(text: &str) -> Result<(StringRecord, Vec<StringRecord>), String> {
    let by_commas = parse(text, b',');
    if by_commas.as_ref().is_ok_and(|(header, _)| header.len() > 1) {
        return by_commas;
    }
    let others = [b';', b'\t'].iter().find_map(|d| parse(text, *d).ok().filter(|(header, _)| header.len() > 1));
    others.map_or(by_commas, Ok)
}

/// CSV has no types: every cell is a string, as it is written.
pub(super) fn table((header, rows): &(StringRecord, Vec<StringRecord>)) -> Made {
    let row = |row: &StringRecord| -> Map<String, Value> {
        header.iter().zip(row).map(|(name, cell)| (name.to_owned(), Value::String(cell.to_owned()))).collect()
    };
    let value = rows.iter().map(|r| Value::Object(row(r))).collect();
    let made = Made::from(Payload { format: Format::Table, ..Payload::json(value) });
    if rows.is_empty() && !header.is_empty() {
        let names: Vec<&str> = header.iter().collect();
        return made.note(format!("the table has no rows; its columns were {}", names.join(", ")));
    }
    made
}

pub(super) fn read(payload: &Payload, _: &Format) -> Result<Made, String> {
    Ok(table(&parse_any(text_of(payload)?)?))
}

pub(super) fn write(payload: &Payload, _: &Format) -> Result<Made, String> {
    let (header, rows, nulls) = tables::cells(&payload.value)?;
    if header.first().is_some_and(|name| name.starts_with('\u{feff}')) {
        return Err("readers of CSV would drop the byte-order mark at its start".into());
    }
    let say = |e: csv::Error| e.to_string();
    // A lone column with semicolons in its name would be read as several columns.
    let lone = header.len() == 1 && header.iter().any(|name| name.contains([';', '\t']));
    let style = if lone { QuoteStyle::Always } else { QuoteStyle::Necessary };
    let mut writer = WriterBuilder::new().quote_style(style).from_writer(Vec::new());
    if !header.is_empty() {
        writer.write_record(&header).map_err(say)?;
    }
    for row in &rows {
        writer.write_record(row).map_err(say)?;
    }
    let bytes = writer.into_inner().map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes).map_err(|e| e.to_string())?;
    let made = Made::from(Payload::string(text, Format::Csv));
    Ok(if nulls { made.note(tables::NULLS) } else { made })
}
