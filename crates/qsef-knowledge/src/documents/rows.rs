//! Tables and JSON lines: each row as "name: value" pairs, so that it can be understood by itself.

use serde_json::Value;

use super::Block;
use crate::place::Place;

/// The rows of a CSV text.
pub(super) fn csv(text: &str, tabs: bool) -> Result<Vec<Block>, String> {
    let delimiter = if tabs { b'\t' } else { delimiter(text) };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let mut blocks = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let first = record.position().map_or(1, |p| p.line() as u32);
        let last = first + record.iter().map(|cell| cell.matches('\n').count() as u32).sum::<u32>();
        let names = header.iter().chain(std::iter::repeat(""));
        let cells = names.zip(&record).filter(|(_, cell)| !cell.trim().is_empty());
        let cells = cells.map(|(name, cell)| pair(name, cell.trim()));
        let text = cells.collect::<Vec<_>>().join("; ");
        if !text.is_empty() {
            blocks.push(Block::text(text, Place::Lines(first, last)));
        }
    }
    Ok(blocks)
}

/// What parts the cells of the header.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let most = [b',', b';', b'\t'].into_iter().rev().max_by_key(|d| header.bytes().filter(|b| b == d).count());
    most.unwrap_or(b',')
}

/// The values of a text of JSON lines.
pub(super) fn jsonl(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let value: Value = serde_json::from_str(line).map_err(|e| format!("line {number}: {e}"))?;
        let mut pairs = Vec::new();
        flatten("", &value, &mut pairs);
        blocks.push(Block::text(pairs.join("; "), Place::Lines(number, number)));
    }
    Ok(blocks)
}

fn pair(name: &str, value: &str) -> String {
    if name.is_empty() { value.to_owned() } else { format!("{name}: {value}") }
}

fn flatten(name: &str, value: &Value, pairs: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(&name, value, pairs);
            }
        }
        Value::Array(items) if items.iter().any(|i| i.is_object() || i.is_array()) => {
            items.iter().for_each(|item| flatten(name, item, pairs));
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(word).collect();
            pairs.push(pair(name, &items.join(", ")));
        }
        Value::Null => {}
        value => pairs.push(pair(name, &word(value))),
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_understood_by_themselves() {
        let blocks = csv("name;city\nAnn;\"Bad\nHomburg\"\nLi;\n;\n", false).unwrap();
        assert_eq!(blocks[0], Block::text("name: Ann; city: Bad\nHomburg", Place::Lines(2, 3)));
        assert_eq!(blocks[1], Block::text("name: Li", Place::Lines(4, 4)));
        assert_eq!(blocks.len(), 2);
        let blocks = jsonl("{\"a\":{\"b\":1},\"c\":[\"x\",\"y\"]}\n\n[{\"d\":true}]\n").unwrap();
        assert_eq!(blocks[0].text, "a.b: 1; c: x, y");
        assert_eq!(blocks[1], Block::text("d: true", Place::Lines(3, 3)));
        assert!(jsonl("{\"a\":1}\n{oops").unwrap_err().contains("line 2"));
    }
}
