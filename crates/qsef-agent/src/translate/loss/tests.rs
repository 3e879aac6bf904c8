use qsef_core::Payload;
use serde_json::json;

use super::*;

fn lost(source: &str, target: &str) -> Vec<String> {
    survives(&Payload::text(source), &Payload::text(target)).missing
}

#[test]
fn what_is_missing_is_named() {
    let source = "Ann paid 1,250.50 EUR to ACME-42 on 3 May 2024, but not to Bob.";
    assert_eq!(lost(source, "On 2024-05-03, Ann paid 1,250.50 EUR to ACME-42 and not to Bob."), Vec::<String>::new());
    assert_eq!(lost(source, "On 2024-05-03, Ann paid 1250.50 EUR to ACME-42, not to Bob."), ["1,250.50"]);
    assert_eq!(lost(source, "On 2024-05-03, Ann paid 1,250.50 USD to ACME-42, not to Bob."), ["1,250.50 EUR"]);
    assert_eq!(lost(source, "On 2024-05-04, Ann paid 1,250.50 EUR to ACME-42, not to Bob."), ["2024-05-03"]);
    assert_eq!(lost(source, "On 2024-05-03, she paid 1,250.50 EUR to ACME-42, not to Bob."), ["Ann"]);
    assert_eq!(lost(source, "On 2024-05-03, Ann paid 1,250.50 EUR to ACME-42 and Bob."), ["a negation"]);
    assert_eq!(lost("It is -5 °C.", "It is 5 °C."), ["-5"]);
    for (unit, other) in [("12.0%", "12.0"), ("12.0 m²", "12.0 m"), ("12.0 °C", "12.0 °F"), ("€12.0", "12.0 $")] {
        assert_eq!(lost(&format!("It is {unit}."), &format!("It is {other}.")).len(), 1, "{unit}");
    }
    assert_eq!(lost("Run `cargo test` in src/main.rs", "Run the tests in src/main.rs"), ["cargo test"]);
    assert_eq!(lost("1. apples\n2. pears", "apples, pears"), Vec::<String>::new());
    assert_eq!(lost("Use max_len = 10.", "Use it with 10."), ["max_len"]);
}

#[test]
fn chinese_is_read_too() {
    let source = "王小明先生在北京大学花了3500元买《红楼梦》，没有发票，走了三十公里。";
    assert_eq!(lost(source, source), Vec::<String>::new());
    let same = "买《红楼梦》没有发票：王小明先生，北京大学，3500元，三十公里";
    assert_eq!(lost(source, same), Vec::<String>::new());
    for (from, to, missing) in [
        ("3500", "350", "3500"),
        ("元", "美元", "3500 元"),
        ("王小明", "他", "王小明"),
        ("红楼梦", "一本书", "红楼梦"),
        ("北京大学", "学校", "北京大学"),
        ("没有", "有", "a negation"),
        ("三十公里", "很远", "三十"),
    ] {
        assert!(
            lost(source, &same.replace(from, to)).iter().any(|m| m.contains(missing)),
            "{from} {:?}",
            lost(source, &same.replace(from, to))
        );
    }
    assert_eq!(lost("天气非常好。", "很好。"), Vec::<String>::new());
}

#[test]
fn formats_are_compared_by_what_they_say() {
    let rows = json!([{"No": "007", "city": "São \"Paulo\""}, {"No": "008", "city": "X, Y"}]);
    let table = Payload { format: Format::Table, ..Payload::json(rows.clone()) };
    let csv = Payload::string("No,city\n007,\"São \"\"Paulo\"\"\"\n008,\"X, Y\"\n", Format::Csv);
    assert!(survives(&table, &csv).is_none() && survives(&csv, &table).is_none());
    assert!(survives(&Payload::text(rows.to_string()), &csv).is_none());
    let short = Payload::string("No,city\n007,x\n", Format::Csv);
    assert!(!survives(&table, &short).is_none());
    assert_eq!(invented(&Payload::text("5 km"), &Payload::text("5 km or 6 km")), ["6"]);
}
