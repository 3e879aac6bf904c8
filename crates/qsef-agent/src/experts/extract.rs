use qsef_core::{ExpertCall, ExpertProfile, Format, Payload};
use serde_json::Value;

use super::{
    FnExpert,
    source::{instruction, quoted, text_of},
};

/// An expert that extracts e-mail addresses, links, numbers, dates, phone numbers, quoted strings or hashtags.
pub fn extract(profile: ExpertProfile) -> FnExpert {
    FnExpert::new(profile, run)
}

fn emails(text: &str) -> Vec<String> {
    all(regex!(r"[\w.+%-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), text)
}

fn links(text: &str) -> Vec<String> {
    let found = all(regex!(r#"(?i)\b(?:https?://|www\.)[^\s<>"'“”」』，。]+"#), text);
    found.into_iter().map(|url| url.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']).to_owned()).collect()
}

fn phones(text: &str) -> Vec<String> {
    let found = all(regex!(r"(?:\+\d{1,3}[\s.-]?)?(?:\(\d{1,4}\)[\s.-]?)?\d{2,4}(?:[\s.-]?\d{2,4}){1,4}"), text);
    let found = found.into_iter().filter(|n| (7..=15).contains(&n.chars().filter(char::is_ascii_digit).count()));
    found.filter(|n| !regex!(r"^\d{4}-\d{1,2}-\d{1,2}").is_match(n)).collect()
}

fn dates(text: &str) -> Vec<String> {
    let pattern = regex!(
        r"(?ix)\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b | \d{4}年\d{1,2}月(?:\d{1,2}日)? | \b\d{1,2}/\d{1,2}/\d{2,4}\b
        | \b\d{1,2}(?:st|nd|rd|th)?(?:\ of)?\ (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?(?:,?\ \d{4})?\b
        | \b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\ \d{1,2}(?:st|nd|rd|th)?(?:,?\ \d{4})?\b"
    );
    all(pattern, text)
}

fn numbers(text: &str) -> Vec<String> {
    all(regex!(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?%?|[-+]?\d+(?:\.\d+)?%?"), text)
}

fn hashtags(text: &str) -> Vec<String> {
    all(regex!(r"#[\w]+"), text)
}

fn all(pattern: &regex::Regex, text: &str) -> Vec<String> {
    pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

type Finder = fn(&str) -> Vec<String>;

/// Words that ask for a kind of thing, what finds it, and whether the instruction itself may have such a thing that is not
/// meant ("find the first 5 numbers"). The first match decides, so phone numbers precede numbers.
const KINDS: &[(&[&str], Finder, bool)] = &[
    (&["mail", "邮箱", "邮件"], emails, false),
    (&["url", "link", "website", "web address", "链接", "网址"], links, false),
    (&["phone", "电话", "手机"], phones, true),
    (&["hashtag", "标签"], hashtags, false),
    (&["quot", "引用", "引号"], quoted, false),
    (&["date", "日期"], dates, true),
    (&["number", "figure", "数字"], numbers, true),
];

/// The part of a task that it says to take from: "3 cats and 4 dogs" of "extract the numbers from 3 cats and 4 dogs".
fn named_source(task: &str) -> &str {
    let found = regex!(r"(?is)\b(?:from|in|within|of)\s+(.+)$|从(.+)$").captures(task);
    found.and_then(|c| c.get(1).or(c.get(2))).map_or("", |part| part.as_str())
}

fn run(call: &ExpertCall) -> Result<Payload, String> {
    let asked = instruction(&call.task).to_lowercase();
    let Some((_, find, common)) = KINDS.iter().find(|(words, ..)| words.iter().any(|word| asked.contains(word))) else {
        return Err("say what to extract: e-mail addresses, links, numbers, dates, phone numbers, quoted strings or \
                    hashtags"
            .into());
    };
    let task_itself = || {
        let source = if *common { named_source(&call.task) } else { &call.task };
        Some(source.to_owned()).filter(|source| !find(source).is_empty())
    };
    let text = text_of(call).filter(|text| call.inputs.is_empty() && !find(text).is_empty() || !call.inputs.is_empty());
    let text = text
        .or_else(task_itself)
        .or_else(|| text_of(call))
        .ok_or("there is no text to extract from: quote it, put it after a colon, or let an earlier step make it")?;
    let mut found = find(&text);
    let mut seen = std::collections::HashSet::new();
    found.retain(|item| seen.insert(item.clone()));
    Ok(Payload { value: found.into_iter().map(Value::String).collect(), ..Payload::string("", Format::List) })
}

#[cfg(test)]
mod tests {
    use super::{super::source::with_input, *};

    #[test]
    fn extracts_what_is_asked() {
        for (task, result) in [
            ("Extract the emails: a.b@c.org, x@y.co.uk and a.b@c.org.", r#"["a.b@c.org","x@y.co.uk"]"#),
            ("Extract the links from https://a.b/c?d=1.", r#"["https://a.b/c?d=1"]"#),
            ("List the numbers: 3 apples, 1,200 pears, -4.5 and 10%", r#"["3","1,200","-4.5","10%"]"#),
            (
                "Find the dates: met on 3 May 2024, again 2024-06-01, 2024年7月2日",
                r#"["3 May 2024","2024-06-01","2024年7月2日"]"#,
            ),
            ("Pull out the phone numbers: call +1 (555) 123-4567 or 12", r#"["+1 (555) 123-4567"]"#),
            ("提取邮箱：请联系 li@例.cn 或 a@b.cn。", r#"["a@b.cn"]"#),
            ("Get the hashtags: #rust and #你好", r##"["#rust","#你好"]"##),
            ("Extract the emails: none", "[]"),
        ] {
            assert_eq!(run(&ExpertCall::new(task)).map(|p| p.to_text()).as_deref(), Ok(result), "{task}");
        }
        let call = with_input("extract the urls from it", Payload::text("see www.a.org."));
        assert_eq!(run(&call).unwrap().to_text(), r#"["www.a.org"]"#);
        for bad in ["", "Extract the essence", "Extract the emails", "Find the first 5 numbers", "\0\u{7f}"] {
            assert!(run(&ExpertCall::new(bad)).is_err(), "{bad}");
        }
    }
}
