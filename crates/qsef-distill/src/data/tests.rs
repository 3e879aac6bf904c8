use super::*;
use crate::train::Predictions;

fn read(rows: &str) -> Result<DataSet> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    std::fs::write(&path, rows).unwrap();
    DataSet::read(Task::Extract, &path, &path, &path)
}

#[test]
fn parts_are_counted_in_characters() {
    let data = read(
        r#"{"text":"从北京到 Zürich am","spans":[{"start":5,"end":11,"label":"to"},{"start":1,"end":3,"label":"from"}]}"#,
    );
    let data = data.unwrap();
    assert_eq!(data.labels, ["from", "to"]);
    let spans = &data.train.spans[0];
    let part = |i: usize| (&data.train.texts[0][spans[i].bytes.clone()], spans[i].label);
    assert_eq!([part(0), part(1)], [("北京", 0), ("Zürich", 1)]);
    assert!(data.train.has(0, 1) && !data.train.has(0, 2));
    assert_eq!(data.classes(), ["O", "B-from", "I-from", "B-to", "I-to"]);
}

#[test]
fn variants_are_of_a_class_or_of_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let rows = "{\"text\":\"pay it\",\"label\":\"b\",\"id\":\"one\"}\n{\"text\":\"rain\",\"label\":\"a\"}\n";
    std::fs::write(&path, rows).unwrap();
    let data = DataSet::read(Task::Classify, &path, &path, &path).unwrap();
    let read = |rows: &str| {
        std::fs::write(&path, rows).unwrap();
        data.read_variants(&path)
    };
    let tier = |item: &str| {
        format!(
            "{{\"id\":\"{item}/easy\",\"item\":\"{item}\",\"tier\":\"easy\",\"level\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"?\"}},\
             {{\"role\":\"assistant\",\"content\":\"please pay\"}}]}}"
        )
    };
    let found = read(&format!("{{\"text\":\"snow\",\"label\":\"a\",\"tier\":\"easy\"}}\n{}", tier("one"))).unwrap();
    let variant = |text: &str, of| Variant { text: text.into(), of };
    let row = VariantOf::Row("one".into());
    assert_eq!(found, [variant("snow", VariantOf::Class(0)), variant("please pay", row)]);
    for (rows, what) in [
        (tier("two"), "rows.jsonl:1 (item): no training row has the id `two`"),
        ("{\"text\":\"x\"}".into(), "rows.jsonl:1 (label)"),
        ("{\"text\":\"x\",\"label\":\"c\"}".into(), "rows.jsonl:1 (label): `c` is no class"),
        ("{\"label\":\"a\",\"messages\":[]}".into(), "rows.jsonl:1 (text)"),
    ] {
        let error = read(&rows).unwrap_err().to_string();
        assert!(error.contains(what), "{rows}: {error}");
    }
}

#[test]
fn mistakes_in_parts_have_a_line() {
    let good = r#"{"text":"to Rome now","spans":[{"start":3,"end":7,"label":"to"}],"split":"train"}"#;
    for (spans, what) in [
        (r#"[{"start":3,"end":12,"label":"to"}]"#, "2 (spans): 3..12 is no part of a text of 11 characters"),
        (r#"[{"start":3,"end":3,"label":"to"}]"#, "2 (spans): 3..3 is no part"),
        (r#"[{"start":3,"end":7,"label":"from"}]"#, "2 (spans): `from` is no label"),
        (r#"[{"start":0,"end":7,"label":"to"},{"start":3,"end":11,"label":"to"}]"#, "`to Rome` and `Rome now` overlap"),
        (r#"[{"start":3,"end":7}]"#, "rows.jsonl:2"),
    ] {
        let rows =
            ["val", "test"].map(|split| format!(r#"{{"text":"to Rome now","spans":{spans},"split":"{split}"}}"#));
        let error = read(&format!("{good}\n{}\n{}", rows[0], rows[1])).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let error = read(r#"{"text":"to Rome","spans":[]}"#).unwrap_err().to_string();
    assert!(error.contains("no row has a part with a label"), "{error}");
}

#[test]
fn a_model_is_right_where_all_parts_are() {
    let rows = r#"{"text":"to Rome","spans":[{"start":3,"end":7,"label":"to"}]}
{"text":"to Old York","spans":[{"start":3,"end":11,"label":"to"}]}"#;
    let data = read(rows).unwrap();
    let word = |place: u32, bytes| qsef_candle::tags::Word { tokens: place + 1..place + 2, bytes };
    let tokens = [
        Tokens { ids: vec![0; 4], words: vec![word(0, 0..2), word(1, 3..7)] },
        Tokens { ids: vec![0; 5], words: vec![word(0, 0..2), word(1, 3..6), word(2, 7..11)] },
    ];
    assert_eq!(data.answers(&data.test, &tokens), [vec![0, 1], vec![0, 1, 2]]);
    let (sure, unsure) = ([9.0f32, 0.0, 0.0], [0.0f32, 1.0, 0.0]);
    let begin = [0.0f32, 9.0, 0.0];
    let logits = vec![[sure, begin].concat(), [sure, unsure, [9.0, 0.0, 0.0]].concat()];
    let judged = data.judge(&data.test, &tokens, &Predictions { logits, vectors: Vec::new() });
    // One of two is found, and one that is found is not one.
    assert_eq!((judged.measure, judged.accuracy), (0.5, 0.5));
    assert_eq!(judged.correct, [true, false]);
    assert!(judged.confidence[0] > 0.99 && (judged.confidence[1] - 0.576).abs() < 0.001, "{:?}", judged.confidence);
}
