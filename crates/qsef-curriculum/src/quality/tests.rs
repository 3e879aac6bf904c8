use crate::item::{Origin, Turn};

use super::*;

const TEXT: &str =
    "The ferret is a small animal of the weasel family, and it sleeps for fourteen hours of each day in a warm place.";

fn item(id: &str, kind: Kind, text: &str) -> Item {
    let origin = Origin { source: "a.md".into(), ..Origin::default() };
    Item { id: id.into(), kind, language: Language::En, origin, prompt: Vec::new(), about: None, text: text.into() }
}

fn reason(result: std::result::Result<Item, Rejected>) -> String {
    result.expect_err("rejected").reason
}

#[test]
fn good_items_pass_and_bad_ones_are_told_why() {
    let mut filter = Filter::new(&Rules::default()).expect("a filter");
    assert_eq!(filter.pass(item("a", Kind::Passage, TEXT)).expect("passes").text, TEXT);
    let rejected = filter.pass(item("b", Kind::Passage, &TEXT.to_uppercase())).expect_err("the same");
    assert_eq!(
        (rejected.reason.as_str(), rejected.item.as_str(), rejected.step),
        ("the same as `a`", "b", Step::Filter)
    );
    let long: String = (0..30).map(|i| format!("{TEXT} It is number {i} of them. ")).collect();
    filter.pass(item("c", Kind::Passage, &long)).expect("passes");
    let near = reason(filter.pass(item("d", Kind::Passage, &long.replace("number 7 of", "the seventh of"))));
    assert!(near.starts_with("a near duplicate (9") && near.ends_with(" %) of `c`"), "{near}");
    let short = reason(filter.pass(item("e", Kind::Passage, "The cat is on the mat.")));
    assert_eq!(short, "6 words; at least 15 are needed");
    filter.pass(item("f", Kind::Answer, "The cat is on the mat.")).expect("answers may be short");
    let german = reason(filter.pass(item(
        "g",
        Kind::Passage,
        "Das Wetter ist heute sehr schön, und wir gehen alle zusammen in den Park, um dort zu spielen.",
    )));
    assert_eq!(german, "neither English nor Chinese");
    assert_eq!(reason(filter.pass(item("h", Kind::Passage, " \n"))), "it has no text");
}

#[test]
fn the_language_is_that_of_the_text() {
    let mut filter = Filter::new(&Rules::default()).expect("a filter");
    let zh = filter
        .pass(item("a", Kind::Passage, "北京是中国的首都，也是一座很古老的城市，有很多人住在那里。"))
        .expect("passes");
    assert_eq!(zh.language, Language::Zh);
    let mut answer = item("b", Kind::Answer, "42");
    answer.prompt = vec![Turn::user("六乘以七是多少？")];
    assert_eq!(filter.pass(answer).expect("passes").language, Language::Zh);
    let mut filter = Filter::new(&Rules { languages: vec![Language::Zh], ..Rules::default() }).expect("a filter");
    assert!(reason(filter.pass(item("a", Kind::Passage, TEXT))).starts_with("it is English"));
}

#[test]
fn answers_differ_by_their_questions_and_topics_by_what_they_are_about() {
    let mut filter = Filter::new(&Rules::default()).expect("a filter");
    for (id, question) in [("a", "How much is six times seven?"), ("b", "How old is the man in the picture?")] {
        let mut answer = item(id, Kind::Answer, "42");
        answer.prompt = vec![Turn::user(question)];
        filter.pass(answer).expect("passes");
    }
    let topic = |id: &str, about: &str| Item { about: Some(about.into()), ..item(id, Kind::Topic, "") };
    filter.pass(topic("c", "photosynthesis")).expect("passes");
    filter.pass(topic("d", "gravity")).expect("passes");
    assert_eq!(reason(filter.pass(topic("e", "Gravity"))), "the same as `d`");
    assert_eq!(reason(filter.pass(topic("f", " "))), "it has no topic");
}

#[test]
fn evaluation_texts_are_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("eval.jsonl");
    std::fs::write(&path, serde_json::json!({"q": TEXT}).to_string()).expect("written");
    let mut filter = Filter::new(&Rules { against: Some(path), ..Rules::default() }).expect("a filter");
    let found = reason(filter.pass(item("a", Kind::Passage, &format!("{TEXT} And some more was said about it."))));
    assert!(found.starts_with("it has \"The ferret is a small"), "{found}");
    assert!(found.contains("of the evaluation file eval.jsonl (") && found.ends_with("% of its 13-grams)"), "{found}");
    let mut asked = item("b", Kind::Answer, "It is a ferret.");
    asked.prompt = vec![Turn::user(format!("What is it? {TEXT}"))];
    assert!(reason(filter.pass(asked)).contains("eval.jsonl"));
    let missing = Filter::new(&Rules { against: Some("/nowhere/x".into()), ..Rules::default() });
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[test]
fn personal_data_is_replaced_where_it_is_asked_for() {
    let mut filter = Filter::new(&Rules { scrub: true, ..Rules::default() }).expect("a filter");
    let mut asked = item("a", Kind::Answer, "Please write to ann@example.org about the ferret.");
    asked.prompt = vec![Turn::user("Whom can I ask? I am bob@example.org.")];
    asked.about = Some("203.0.113.9".into());
    let item = filter.pass(asked).expect("passes");
    assert_eq!(item.text, "Please write to [EMAIL] about the ferret.");
    assert_eq!(item.prompt.first().map(|turn| turn.content.as_str()), Some("Whom can I ask? I am [EMAIL]."));
    assert_eq!(item.about.as_deref(), Some("[IP]"));
    assert_eq!(filter.found().clone(), BTreeMap::from([("IP address", 1), ("e-mail", 2)]));
}

#[test]
fn wrong_rules_are_refused() {
    for rules in [
        Rules { near: 0.0, ..Rules::default() },
        Rules { near: f64::NAN, ..Rules::default() },
        Rules { most_words: 3, ..Rules::default() },
        Rules { ngram: 2, ..Rules::default() },
        Rules { languages: Vec::new(), ..Rules::default() },
    ] {
        assert!(matches!(Filter::new(&rules), Err(Error::Input(_))), "{rules:?}");
    }
    let rules: Rules = serde_json::from_str("{\"near\": 0.9}").expect("rules");
    assert_eq!(rules, Rules { near: 0.9, ..Rules::default() });
    assert!(serde_json::from_str::<Rules>("{\"nearly\": 0.9}").is_err());
}
