use proptest::{collection::vec, prelude::*};
use qsef_core::{Format, Payload};
use serde_json::{Map, Value};

use super::{consumer, hostile::formats, translate};

/// Texts with the characters that formats give a meaning to.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => r#"[a-z0-9 ,;|"'`:#\-\[\]{}&*!%@\\\n\r\t<>br/._~é北不1.50]{0,12}"#,
        1 => any::<String>(),
        1 => r"-?[0-9]{1,25}(\.[0-9]{1,4})?( (km|EUR|%))?",
        1 => "(true|null|no|~|0x1f|1e5|\\.nan|2024-05-03|- a|a: b|# c|<br>|\u{feff}a)",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((text(), inner), 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn table() -> impl Strategy<Value = Value> {
    proptest::collection::btree_set(text(), 1..4).prop_flat_map(|keys| {
        let width = keys.len();
        vec(vec(scalar(), width), 0..5).prop_map(move |rows| {
            let row = |cells: Vec<Value>| keys.iter().cloned().zip(cells).collect::<Map<_, _>>();
            rows.into_iter().map(|cells| Value::Object(row(cells))).collect()
        })
    })
}

/// A table with its cells as they are written: CSV and Markdown know no types.
fn written(value: &Value) -> Value {
    let cell = |v: &Value| if v.is_null() { "".into() } else { Payload::json(v.clone()).to_text().into() };
    let rows = value.as_array().unwrap().iter().map(|r| r.as_object().unwrap());
    rows.map(|row| Value::Object(row.iter().map(|(k, v)| (k.clone(), cell(v))).collect())).collect()
}

/// There and back; None where either way is flagged.
fn round(payload: &Payload, through: Format) -> Option<Value> {
    let there = translate(payload, through);
    let back = translate(&there.payload, payload.format.clone());
    (!there.hand_off.flagged() && !back.hand_off.flagged()).then_some(back.payload.value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_survives_yaml(value in json()) {
        if let Some(back) = round(&Payload::json(value.clone()), Format::Yaml) {
            prop_assert_eq!(back, value);
        }
    }

    #[test]
    fn tables_survive_csv_and_markdown(value in table()) {
        let payload = Payload { format: Format::Table, ..Payload::json(value.clone()) };
        for through in [Format::Csv, Format::MarkdownTable] {
            if let Some(back) = round(&payload, through) {
                prop_assert_eq!(back, written(&value));
            }
        }
    }

    #[test]
    fn code_survives_its_fence(code in any::<String>(), parts in vec("(```|~~~|\n| |x|\t|\r\n)", 0..10)) {
        for code in [code, parts.concat()] {
            let payload = Payload::string(&code, Format::Code("python".into()));
            if let Some(back) = round(&payload, Format::Fenced) {
                prop_assert_eq!(back, Value::from(code));
            }
        }
    }

}

proptest! {
    // Each case is all formats from and to.
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_an_adapter_panic_or_lose_it(text in prop_oneof![text(), vec(text(), 0..8).prop_map(|t| t.join("\n"))]) {
        for from in formats() {
            for takes in formats() {
                let payload = Payload::string(&text, from.clone());
                let done = translate(&payload, takes.clone());
                let valid = consumer(takes.clone()).reads(&done.payload).is_ok();
                prop_assert!(valid || (done.hand_off.flagged() && done.payload == payload), "{from:?} -> {takes:?}");
            }
        }
    }
}

/// The properties would hold of a translator that flags everything.
#[test]
fn plain_values_come_back_without_a_flag() {
    let value = serde_json::json!([{"id": "007", "city": "São Paulo", "note": "a|b, \"c\"\nd"}]);
    let table = Payload { format: Format::Table, ..Payload::json(value.clone()) };
    for through in [Format::Csv, Format::MarkdownTable, Format::Yaml, Format::Json] {
        assert_eq!(round(&table, through.clone()), Some(value.clone()), "{through:?}");
    }
    let nested = serde_json::json!({"a": [1, {"b": null, "c": 1.5}], "北": "1.50"});
    assert_eq!(round(&Payload::json(nested.clone()), Format::Yaml), Some(nested));
}
