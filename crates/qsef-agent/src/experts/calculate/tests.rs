use qsef_core::test_util::ScriptedModel;

use super::super::source::with_input;
use super::*;

fn expert(model: Option<AnyModel>) -> Calculate {
    Calculate::new(ExpertProfile::new("calculate", "Calculates."), model).clock(|| jiff::civil::date(2025, 6, 1))
}

async fn ask(call: ExpertCall) -> Result<String, String> {
    expert(None).run(call).await.map(|o| o.payload.to_text()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn tasks_in_words() {
    for (task, result) in [
        ("What is 15% of 240 km in miles?", "22.369363 miles"),
        ("Convert 36 km to miles", "22.369363 miles"),
        ("convert 36 kilometres into miles", "22.369363 miles"),
        ("How many miles are in 36 kilometers?", "22.369363 miles"),
        ("How many minutes in 3 days?", "4320 minutes"),
        ("sqrt of 2 to 10 places", "1.4142135624"),
        ("What is the square root of 144?", "12"),
        ("240公里的15%是多少英里？", "22.369363 miles"),
        ("Please calculate 1,234,567 times 89", "109876463"),
        ("12 × 12 ÷ 3 =", "48"),
        ("What's 2 to the power of 64?", "18446744073709551616"),
        ("100 degrees fahrenheit in celsius", "37.777778 °C"),
        ("80 + 25%", "100"),
        ("How much is half of 90?", "45"),
        ("How many days between 1 March 2024 and 25 December 2024?", "299 days"),
    ] {
        assert_eq!(ask(ExpertCall::new(task)).await.as_deref(), Ok(result), "{task}");
    }
}

#[tokio::test]
async fn inputs_stand_for_it() {
    for task in ["convert it to miles", "Convert the result to miles", "to miles", "then convert that into miles"] {
        let call = with_input(task, Payload::string("36 km", Format::Number));
        assert_eq!(ask(call).await.as_deref(), Ok("22.369363 miles"), "{task}");
    }
    assert_eq!(ask(with_input("What is 15% of that?", Payload::text("240 km"))).await.as_deref(), Ok("36 km"));
}

#[tokio::test]
async fn what_cannot_be_calculated_is_an_error() {
    let long = "7 ".repeat(50_000);
    for task in ["", "?", "Tell me a joke", "1/0", "9^9^9^9", "NaN", "\0\u{1b}\u{7}", "天气怎么样", &long] {
        assert!(ask(ExpertCall::new(task)).await.is_err(), "{task:.40}");
    }
}

#[tokio::test]
async fn the_model_writes_the_expression_and_fend_calculates() {
    let script = ScriptedModel::answers([r#"{"expression":"3 * 4 - 2"}"#, r#"{"expression":"3 * 5"}"#]);
    let expert = expert(Some(AnyModel::new(script.clone())));
    let task = "Ann has 3 bags of 4 apples and eats 2 apples; how many are left over for Bob?";
    let outcome = expert.run(ExpertCall::new(task)).await.unwrap();
    assert_eq!(outcome.payload, Payload::string("10", Format::Number));
    assert_eq!(outcome.model.as_deref(), Some("scripted"));
    let error = expert.run(ExpertCall::new(task)).await.unwrap_err();
    assert!(error.to_string().contains("5"), "{error}");
    assert!(expert.run(ExpertCall::new("1/0")).await.is_err());
    assert_eq!(script.requests().len(), 2);
}
