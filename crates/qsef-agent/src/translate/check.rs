use qsef_core::{Format, Modality, Payload};

use super::adapters::{blocks, csv, dates, markdown, scalars, tables, yaml};

/// Whether a payload's value is what its format says. It is here and not with [`Payload`] because the contracts know no
/// parsers.
///
/// # Errors
/// What is wrong with it, as a sentence; for CSV, YAML and tables with the place.
pub fn check(payload: &Payload) -> Result<(), String> {
    if payload.modality != Modality::Text {
        return Ok(());
    }
    let value = &payload.value;
    let text = || value.as_str().ok_or_else(|| "the value is not a text".to_owned());
    let is = |yes: bool, what: &str| yes.then_some(()).ok_or_else(|| format!("it is not {what}"));
    match &payload.format {
        Format::Text | Format::Code(_) => text().map(drop),
        Format::Number => is(scalars::is_number(text()?), "a number with or without a unit"),
        Format::Boolean => is(value.is_boolean(), "a boolean"),
        Format::Date => is(dates::is_iso(text()?), "a date such as 2024-05-03"),
        Format::List => is(value.is_array(), "a list"),
        Format::Table => tables::cells(value).map(drop),
        Format::Yaml => yaml::parse(text()?).map(drop),
        Format::Csv => csv::parse(text()?, b',').map(drop),
        Format::MarkdownTable => markdown::whole(text()?).map(drop),
        Format::Fenced => is(blocks::is_one(text()?), "one fenced block of code"),
        _ => Ok(()),
    }
}

/// Whether one format will do where the other is wanted: the same, and for code the same language.
pub(super) fn same(is: &Format, wanted: &Format) -> bool {
    match (is, wanted) {
        (Format::Code(is), Format::Code(wanted)) => blocks::same_language(is, wanted),
        (is, wanted) => is == wanted,
    }
}

/// Whether a payload is what its format says, and that will do where the other is wanted.
pub(super) fn is_in(payload: &Payload, wanted: &Format) -> bool {
    same(&payload.format, wanted) && check(payload).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_must_be_what_its_format_says() {
        let payload = |value, format| Payload { format, ..Payload::json(value) };
        for (good, bad, format) in [
            (json!("x"), json!(1), Format::Text),
            (json!("36 km"), json!("far"), Format::Number),
            (json!(true), json!("true"), Format::Boolean),
            (json!("2024-05-03"), json!("3 May 2024"), Format::Date),
            (json!([1]), json!("a, b"), Format::List),
            (json!([{"a": 1}]), json!([{"a": [1]}]), Format::Table),
            (json!([]), json!([{"a": 1}, {"b": 1}]), Format::Table),
            (json!("a: 1"), json!("a: ["), Format::Yaml),
            (json!("a,b\n1,2"), json!("a,b\n1"), Format::Csv),
            (json!("|a|\n|-|\n|1|"), json!("a | b"), Format::MarkdownTable),
            (json!("```\nx\n```"), json!("x"), Format::Fenced),
        ] {
            assert_eq!(check(&payload(good, format.clone())), Ok(()), "{format:?}");
            assert!(check(&payload(bad, format.clone())).is_err(), "{format:?}");
        }
        assert!(is_in(&Payload::string("x", Format::Code("py".into())), &Format::Code("python".into())));
        assert!(!is_in(&Payload::string("x", Format::Code("py".into())), &Format::Code("rust".into())));
    }
}
