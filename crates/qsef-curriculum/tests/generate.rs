//! Items in tiers with a scripted model: what holds, what falls out and why.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // helpers of tests are test code

use futures::StreamExt;
use qsef_core::{AnyModel, Error, Request, Result, test_util::ScriptedModel};
use qsef_curriculum::{Cache, Generator, Item, Kind, Language, Origin, Outcome, Settings, Step, Turn};
use serde_json::{Map, Value, json};

mod rules;

const TEXT: &str = "Although the ferrets of the valley, which biologists have observed for 13 years, ordinarily sleep during the \
    greater part of the afternoon, they become extraordinarily active as soon as the temperature decreases towards the evening. \
    Observers counted 1000 burrows, considerably more than the valley was previously believed to contain, and they documented 5001 \
    individuals whose behaviour differed substantially from that of neighbouring populations.";

fn item(id: &str, text: &str) -> Item {
    Item {
        id: id.into(),
        kind: Kind::Passage,
        language: Language::En,
        origin: Origin { source: "test".into(), place: String::new(), licence: None },
        prompt: Vec::new(),
        about: None,
        text: text.into(),
    }
}

/// The properties that a request's schema asks for, and what the user said last.
fn asked(request: &Request) -> (Map<String, Value>, String) {
    let qsef_core::OutputFormat::JsonSchema(schema) = &request.format else { panic!("a schema") };
    let user = request.messages.last().unwrap().as_text().unwrap();
    (schema["properties"].as_object().unwrap().clone(), user)
}

/// The rules, and a text about a topic.
fn rule(request: &Request) -> String {
    let (properties, user) = asked(request);
    if properties.contains_key("text") { json!({"text": TEXT}) } else { rules::answer(&properties, &user) }.to_string()
}

async fn outcomes(settings: Settings, model: ScriptedModel, items: Vec<Item>) -> Vec<Outcome> {
    let generator = Generator::new(settings, AnyModel::new(model), Cache::in_memory().unwrap());
    generator.outcomes(items).map(Result::unwrap).collect().await
}

#[tokio::test]
async fn tiers_fall_and_keep_what_is_said() {
    let items = vec![item("a", TEXT), item("b", &TEXT.replace("1000", "2000"))];
    let done = outcomes(Settings::default(), ScriptedModel::new(|r| Ok(rule(r))), items).await;
    assert_eq!(done.iter().map(|o| o.info.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let rows = &done[0].rows;
    let tiers: Vec<_> = rows.iter().map(|row| (row.tier.as_str(), row.level, row.stage)).collect();
    assert_eq!(tiers, [("expert", 4, 3), ("practitioner", 3, 2), ("student", 2, 2), ("layperson", 1, 1)]);
    assert!(rows.is_sorted_by(|a, b| a.complexity > b.complexity && a.resistance > b.resistance));
    assert!(done[0].info.accepted && done[0].info.strictly_ordered && done[0].rejected.is_empty());
    for row in rows {
        let answer = &row.messages.last().unwrap().content;
        assert!(["13", "1000", "5001"].iter().all(|number| answer.contains(number)), "{answer}");
        assert!(row.messages[0].content.starts_with("What is known about "));
    }
    assert!(rows[3].messages[1].content.ends_with("It is like a full jar."));
    assert_eq!(rows.iter().filter(|row| row.suits).count(), 1);
    assert!(rows.iter().any(|row| row.frontier));
}

#[tokio::test]
async fn what_loses_facts_is_written_again_with_the_reason_and_the_worse_one_is_kept_as_such() {
    let model = ScriptedModel::new(|request| {
        let (_, user) = asked(request);
        let text = rule(request);
        Ok(if user.contains("was wrong") { text } else { text.replace("1000", "many") })
    });
    let seen = model.clone();
    let done = outcomes(Settings::default(), model, vec![item("a", TEXT)]).await;
    assert!(done[0].info.accepted, "{:?}", done[0].rejected);
    let asked_again = seen.requests().iter().any(|r| asked(r).1.contains("was wrong: it lacks the number 1000"));
    assert!(asked_again);
    let pair = &done[0].pairs[0];
    assert!(pair.chosen[0].content.contains("1000") && !pair.rejected[0].content.contains("1000"), "{pair:?}");
    assert!(pair.reason.contains("the number 1000"));
}

#[tokio::test]
async fn a_model_that_copies_refuses_or_breaks_leaves_no_rows_of_its_own() {
    let copies = |request: &Request| {
        let (properties, user) = asked(request);
        let is_tier = properties.contains_key("1") && properties["1"]["type"] == "string";
        if !is_tier {
            return rule(request);
        }
        let lines =
            user.lines().filter_map(|line| line.split_once(". ")).filter(|(key, _)| properties.contains_key(*key));
        Value::Object(lines.map(|(key, text)| (key.to_owned(), text.into())).collect()).to_string()
    };
    let refuses = |request: &Request| {
        let (properties, _) = asked(request);
        Value::Object(properties.keys().map(|k| (k.clone(), "I'm sorry, I cannot help.".into())).collect()).to_string()
    };
    for (what, reason) in [(0, "unchanged"), (1, "does not reword"), (2, "does not have it")] {
        let model = ScriptedModel::new(move |request| {
            Ok(match what {
                0 => copies(request),
                1 => refuses(request),
                _ => "nonsense".into(),
            })
        });
        let done = outcomes(Settings::default(), model, vec![item("a", TEXT)]).await;
        let rows: Vec<_> = done[0].rows.iter().map(|row| row.tier.as_str()).collect();
        assert_eq!(rows, ["expert"], "{reason}");
        assert_eq!(done[0].rejected.len(), 3);
        assert!(done[0].rejected[0].reason.contains(reason), "{:?}", done[0].rejected[0]);
        assert!(!done[0].info.accepted && !done[0].info.strictly_ordered);
    }
}

#[tokio::test]
async fn what_the_judge_rejects_is_written_again_with_the_reason_and_falls_out_where_that_does_not_help() {
    for (helps, rows) in [(true, 4), (false, 1)] {
        let model = ScriptedModel::new(|request| Ok(rule(request)));
        let writer = model.clone();
        let written = move || writer.requests().iter().filter(|r| asked(r).1.contains("the judge finds")).count();
        let judge = ScriptedModel::new(move |request| {
            assert!(asked(request).0.contains_key("same"));
            Ok(json!({"same": if helps && written() > 0 { "yes" } else { "no" }}).to_string())
        });
        let generator = Generator::new(Settings::default(), AnyModel::new(model.clone()), Cache::in_memory().unwrap())
            .judge(AnyModel::new(judge));
        let done: Vec<Outcome> = generator.outcomes(vec![item("a", TEXT)]).map(Result::unwrap).collect().await;
        assert_eq!(done[0].rows.len(), rows, "{:?}", done[0].rejected);
        assert_eq!(done[0].info.accepted, helps);
        if !helps {
            let left = &done[0].rejected[0];
            assert_eq!((left.step, left.tier.as_deref()), (Step::Judge, Some("practitioner")));
            assert!(left.reason.contains("the judge finds"), "{}", left.reason);
        }
    }
}

#[tokio::test]
async fn topics_answers_and_reasoning_have_their_own_ways() {
    let topic = Item { kind: Kind::Topic, about: Some("ferrets".into()), text: String::new(), ..item("t", "") };
    let answer = Item { kind: Kind::Answer, prompt: vec![Turn::user("How do they live?")], ..item("q", TEXT) };
    let reasoning = Item {
        kind: Kind::Reasoning,
        prompt: vec![Turn::user("A box holds 3 rows of 4 apples. 5 are eaten. How many are left?")],
        ..item("r", "3 * 4 = 12, 12 - 5 = 7\n#### 7")
    };
    let model = ScriptedModel::new(|request| {
        let (properties, user) = asked(request);
        if !properties.contains_key("steps") {
            return Ok(rule(request));
        }
        // The first time with a wrong sum.
        let sum = if user.contains("is wrong") { "3 * 4 = 12" } else { "3 * 4 = 11" };
        let steps = json!([
            {"hint": "Find out how many apples the whole box holds before any apple is eaten.", "work": format!("The box holds {sum} apples.")},
            {"hint": "Then take away those that are eaten.", "work": "12 - 5 = 7."},
        ]);
        Ok(json!({"steps": steps, "answer": "7"}).to_string())
    });
    let done = outcomes(Settings::default(), model, vec![topic, answer, reasoning]).await;
    assert!(
        done.iter().all(|outcome| outcome.info.accepted),
        "{:?}",
        done.iter().map(|o| &o.rejected).collect::<Vec<_>>()
    );
    assert!(done[0].rows[0].messages[0].content.contains("important to know about ferrets"));
    assert!(done[1].rows[0].messages[0].content.starts_with("How do they live?"));
    let (unaided, hinted) = (&done[2].rows[0], &done[2].rows[1]);
    assert!(hinted.complexity < unaided.complexity);
    assert!(
        hinted.messages[0].content.contains("Hints:\n1. Find out") && !unaided.messages[0].content.contains("Hints")
    );
    assert!(hinted.messages[1].content.ends_with("The answer is 7."));
    assert_eq!(done[2].info.requests, 2);
}

#[tokio::test]
async fn chinese_is_written_in_chinese() {
    let text = "尽管生物学家观察了13年的山谷雪貂在下午的大部分时间里通常都在睡觉，但是一旦傍晚气温开始下降，它们就会变得异常活跃。\
        观察人员统计到1000个洞穴，远远多于此前人们认为山谷所能容纳的数量，并且记录了5001只行为明显不同于邻近种群的个体。";
    let model = ScriptedModel::new(|request| {
        let (properties, user) = asked(request);
        if properties.contains_key("analogies") {
            return Ok(json!({"analogies": ["这就像一个装满的罐子。", "这就像洗澡。", "这就像睡觉。"]}).to_string());
        }
        if properties.contains_key("question") {
            return Ok(json!({"question": "山谷里的雪貂怎么生活？"}).to_string());
        }
        if properties.contains_key("same") {
            return Ok(rule(request));
        }
        let most: usize = user.rsplit("每句最多").next().unwrap().split('个').next().unwrap().parse().unwrap();
        let lines =
            user.lines().filter_map(|line| line.split_once(". ")).filter(|(key, _)| properties.contains_key(*key));
        let shorter = |text: &str| {
            let mut out = String::new();
            for part in text.trim_end_matches('。').split(['，', '。']) {
                out.push_str(part);
                let long = out.rsplit('。').next().unwrap().chars().count() >= most / 2;
                if long {
                    out.push('。');
                }
            }
            if out.ends_with('。') { out } else { out + "。" }
        };
        Ok(Value::Object(lines.map(|(key, text)| (key.to_owned(), shorter(text).into())).collect()).to_string())
    });
    let item = Item { language: Language::Zh, ..item("z", text) };
    let done = outcomes(Settings::default(), model, vec![item]).await;
    let rows = &done[0].rows;
    assert!(rows.len() >= 2, "{:?}", done[0].rejected);
    assert!(rows.is_sorted_by(|a, b| a.complexity > b.complexity));
    assert!(rows[0].messages[0].content.ends_with("请讲给专家听。"), "{}", rows[0].messages[0].content);
    let all = rows.iter().all(|row| ["13", "1000", "5001"].iter().all(|n| row.messages[1].content.contains(n)));
    assert!(all, "{rows:?}");
}

#[tokio::test]
async fn a_refused_key_stops_the_job_and_a_failing_model_stops_an_item() {
    let run = |error: fn() -> Error| {
        let model = ScriptedModel::new(move |_| Err(error()));
        let generator = Generator::new(Settings::default(), AnyModel::new(model), Cache::in_memory().unwrap());
        async move { generator.outcomes(vec![item("a", TEXT)]).collect::<Vec<_>>().await }
    };
    let stopped = run(|| Error::Input("the key is wrong".into())).await;
    assert!(stopped[0].as_ref().unwrap_err().to_string().contains("the key is wrong"));
    let failed = run(|| Error::Model { model: "m".into(), message: "overheated".into() }).await;
    let outcome = failed[0].as_ref().unwrap();
    assert!(outcome.rows.is_empty() && outcome.rejected[0].reason.contains("overheated"));
}
