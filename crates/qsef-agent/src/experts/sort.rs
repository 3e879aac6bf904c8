use std::cmp::Ordering;

use qsef_core::{ExpertCall, ExpertProfile, Format, Payload};
use serde_json::Value;

use super::{
    FnExpert,
    source::{instruction, text_of},
};

/// An expert that sorts lines or listed items: alphabetically or by number, up or down, with or without duplicates.
pub fn sort(profile: ExpertProfile) -> FnExpert {
    FnExpert::new(profile, run)
}

fn run(call: &ExpertCall) -> Result<Payload, String> {
    let asked = instruction(&call.task).to_lowercase();
    let text =
        text_of(call).ok_or("there are no items to sort: list them after a colon, or let an earlier step make them")?;
    let mut items = items(&text);
    let has = |words: &[&str]| words.iter().any(|w| asked.contains(w));
    let numbers: Vec<Option<f64>> = items.iter().map(|item| leading_number(item)).collect();
    let alphabetical = has(&["alphabet", "a to z", "z to a", "a-z", "字母"]);
    if !alphabetical && numbers.iter().all(Option::is_some) {
        items.sort_by(|a, b| leading_number(a).partial_cmp(&leading_number(b)).unwrap_or(Ordering::Equal));
    } else {
        items.sort_by(|a, b| a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| a.cmp(b)));
    }
    if has(&["unique", "duplicate", "distinct", "去重"]) {
        items.dedup();
    }
    let down = ["descending", "reverse", "largest first", "highest first", "biggest first", "high to low", "z to a"];
    if has(&down) || has(&["largest to smallest", "highest to lowest", "降序", "从大到小", "倒序"]) {
        items.reverse();
    }
    Ok(Payload { value: items.into_iter().map(Value::String).collect(), ..Payload::string("", Format::List) })
}

/// Lines, where there are several; else what commas, semicolons or, failing these, spaces separate.
fn items(text: &str) -> Vec<String> {
    let split = if text.trim().contains('\n') {
        text.lines().collect::<Vec<_>>()
    } else if text.contains([',', ';', '，', '、', '；']) {
        regex!(r"(?i)[,;，、；]\s*(?:(?:and|和)\s+)?").split(text).collect()
    } else {
        text.split_whitespace().filter(|w| !w.eq_ignore_ascii_case("and")).collect()
    };
    let trimmed = split.into_iter().map(|s| s.trim().trim_end_matches('.').trim().to_owned());
    trimmed.filter(|s| !s.is_empty()).collect()
}

fn leading_number(item: &str) -> Option<f64> {
    let number = regex!(r"^[-+]?[$€£¥]?\d[\d,]*(?:\.\d+)?").find(item)?.as_str();
    number.replace([',', '$', '€', '£', '¥'], "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_what_is_asked() {
        for (task, result) in [
            ("Sort these: pear, apple and fig", r#"["apple and fig","pear"]"#),
            ("Sort these: pear, Apple, and fig.", r#"["Apple","fig","pear"]"#),
            ("Sort the numbers in descending order: 3 20 1.5", r#"["20","3","1.5"]"#),
            ("Sort alphabetically: 3, 20", r#"["20","3"]"#),
            ("Remove duplicates and sort: b; a; b", r#"["a","b"]"#),
            ("从大到小排序：3、20、1", r#"["20","3","1"]"#),
            ("Sort numerically: NaN, 2", r#"["2","NaN"]"#),
        ] {
            assert_eq!(run(&ExpertCall::new(task)).map(|p| p.to_text()).as_deref(), Ok(result), "{task}");
        }
        for bad in ["", "Sort the list", "\0"] {
            assert!(run(&ExpertCall::new(bad)).unwrap_err().contains("no items"), "{bad}");
        }
    }
}
