use qsef_core::{Format, Payload};
use serde_json::Value;

use super::{dates, json, text_of};
use crate::translate::{graph::Made, loss::quantities};

/// Whether a text is a number, with a unit or a currency where it has one: `36 km`, `-1,234.50 €`, `12 %`, `4 weeks 2 days`.
pub(crate) fn is_number(text: &str) -> bool {
    regex!(
        r"(?x)^(?:(?:approx\.|about|~|≈|约)\s?)?
        [-+−]?(?:(?:US|HK|NT|[AC])?\$|[€£¥₹]|(?:USD|EUR|GBP|CNY|RMB|JPY|CHF)\s)?\s?
        [-+−]?(?:\d+(?:[.,'’\u{a0}\u{202f}]\d+)*|\.\d+|\d{1,3}(?:\ \d{3})+(?:[.,]\d+)?)(?:[eE][-+]?\d+)?
        (?:\s?[\p{L}%‰°µΩ$€£¥₹][\p{L}\d²³/·^°*%-]*
            (?:\s/\s[\p{L}²³]+|\s\d+(?:[.,]\d+)?\s?\p{L}+)*
            |\ (?:square|cubic|metric|US|per)\ \p{L}+)?$"
    )
    .is_match(text)
}

/// The amount with its unit as one text, or as a JSON number where that has the same spelling.
pub(super) fn number_to_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    Ok(Payload::json(json::number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)).into())
}

/// A JSON number, a text that is one, or an object with an amount and its unit.
pub(super) fn number_of_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    let plain = |value: &Value| match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let text = match &payload.value {
        Value::Object(fields) if fields.len() == 2 => {
            let amount = fields.get("amount").or(fields.get("value")).and_then(plain);
            let unit = fields.get("unit").or(fields.get("currency")).and_then(Value::as_str);
            amount.zip(unit).map(|(amount, unit)| format!("{amount} {unit}"))
        }
        other => plain(other),
    };
    number(text.as_deref().unwrap_or_default())
}

pub(super) fn number_of_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    number(text_of(payload)?)
}

fn number(text: &str) -> Result<Made, String> {
    let text = text.trim();
    if !is_number(text) {
        return Err("it is not a number".into());
    }
    Ok(Payload::string(text, Format::Number).into())
}

/// The one number that stands in a text, with its unit, however often.
pub(super) fn number_in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?;
    if !dates::find(text).is_empty() {
        return Err("there is a date in it beside numbers".into());
    }
    let mut numbers: Vec<&str> = quantities(text).into_iter().filter_map(|range| text.get(range)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [one] => number(one),
        [] => Err("there is no number in it".into()),
        _ => Err("there are several numbers in it".into()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().trim_end_matches(['.', '!', '。', '！']).to_lowercase().as_str() {
        "yes" | "true" | "是" | "是的" | "对" | "真" => Some(true),
        "no" | "false" | "否" | "不是" | "不对" | "假" => Some(false),
        _ => None,
    }
}

fn boolean_payload(value: Option<bool>) -> Result<Made, String> {
    let value = value.ok_or("it is neither yes nor no")?;
    Ok(Payload { format: Format::Boolean, ..Payload::json(value.into()) }.into())
}

pub(super) fn boolean_of_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    boolean_payload(payload.value.as_bool().or_else(|| boolean(payload.value.as_str()?)))
}

pub(super) fn boolean_of_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    boolean_payload(boolean(text_of(payload)?))
}

/// A text that begins with the answer: "Yes, it is open".
pub(super) fn boolean_in_text(payload: &Payload, _: &Format) -> Result<Made, String> {
    let text = text_of(payload)?.trim();
    let first = text.split([',', '，', ':', ';', '.', '。', '!']).next().unwrap_or_default();
    boolean_payload(boolean(first))
}

pub(super) fn date_of_json(payload: &Payload, _: &Format) -> Result<Made, String> {
    dates::whole(payload.value.as_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_prose() {
        for number in [
            "36",
            "36 km",
            "-1,234.50 €",
            "$5",
            "-$5.00",
            "12%",
            "1.50",
            "007",
            "123456789012345678901234567890",
            "3.2e-5",
            "60 km/h",
            "9.81 m/s²",
            "-4 °C",
            "1 234,56 EUR",
            "5 square metres",
            "36公里",
            "¥3,500",
            "USD 20",
            "4 weeks 2 days",
            "approx. 3.3333333333 hours",
            "6 words",
        ] {
            assert!(is_number(number), "{number}");
        }
        for other in ["", "km", "36 km to Rome", "about", "the 5", "5 or 6", "-", "2024-05-03", "5 is a prime"] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn one_value_is_found_in_prose() {
        let find = |text: &str| number_in_text(&Payload::text(text), &Format::Number).map(|m| m.payload.to_text());
        assert_eq!(find("The way to Rome is 1,050.0 km long."), Ok("1,050.0 km".into()));
        assert_eq!(find("It costs €12.50."), Ok("€12.50".into()));
        assert_eq!(find("总价是3500元。"), Ok("3500元".into()));
        assert!(find("5 km or 6 km").is_err() && find("none").is_err() && find("on 2024-05-03").is_err());
        let yes = |text: &str| boolean_in_text(&Payload::text(text), &Format::Boolean).map(|m| m.payload.value);
        assert_eq!(yes("No, it is closed."), Ok(false.into()));
        assert_eq!(yes("是的，开着。"), Ok(true.into()));
        assert!(yes("Nothing").is_err() && yes("").is_err());
        let object = Payload::json(serde_json::json!({"value": 1.5, "unit": "kg"}));
        assert_eq!(number_of_json(&object, &Format::Number).unwrap().payload.to_text(), "1.5 kg");
    }
}
