//! Experts made of functions by `#[qsef::expert]`, as a hub calls them.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

use qsef::{AnyModel, Error, ExpertCall, Format, Payload, Result, test_util::ScriptedModel};

/// Rolls dice with a number of sides.
#[qsef::expert(examples = ["Roll two dice"])]
async fn roll_dice(
    /// How many dice.
    dice: u32,
    /// How many sides each has.
    sides: Option<u32>,
) -> Result<String, String> {
    match dice {
        0 => Err("there are no dice".into()),
        _ => Ok(format!("{dice} to {}", dice * sides.unwrap_or(6))),
    }
}

/// Lists the days of the weekend.
#[qsef::expert(gives = ["list", "json"])]
fn weekend() -> Vec<&'static str> {
    vec!["Saturday", "Sunday"]
}

/// Orders a thing.
#[qsef::expert]
fn order(item: String) -> Result<()> {
    Err(Error::Declined { expert: "order".into(), message: format!("nobody sells {item}") })
}

fn model(answers: &[&str]) -> AnyModel {
    AnyModel::new(ScriptedModel::answers(answers.iter().copied()))
}

#[tokio::test]
async fn a_model_fills_the_parameters_and_what_is_returned_is_the_output() {
    let model = model(&[r#"{"dice":3,"sides":8}"#, r#"{"dice":3}"#, r#"{"dice":0}"#]);
    let expert = roll_dice::expert(model);
    let parameters = expert.profile().parameters.clone().unwrap();
    assert_eq!(parameters["properties"]["sides"]["description"], "How many sides each has.");
    assert_eq!(parameters["required"], serde_json::json!(["dice"]));
    let call = ExpertCall::new("roll 3 dice with 8 sides");
    let counted = expert.prompt_tokens(&call).unwrap();
    let made = expert.run(call).await.unwrap();
    assert_eq!((made.payload, made.cost.usage.prompt_tokens), (Payload::text("3 to 24"), counted));
    assert_eq!(expert.run(ExpertCall::new("roll 3 dice")).await.unwrap().payload, Payload::text("3 to 18"));
    let error = expert.run(ExpertCall::new("roll 0 dice")).await.unwrap_err();
    assert!(
        matches!(error, Error::Expert { expert, message } if expert == "roll_dice" && message == "there are no dice")
    );
    assert_eq!(roll_dice(1, None).await, Ok("1 to 6".into()), "the function is still one");
}

#[tokio::test]
async fn without_parameters_no_model_is_called_and_a_known_error_is_kept() {
    let expert = weekend::expert(model(&[]));
    let made = expert.run(ExpertCall::new("which days are the weekend")).await.unwrap();
    assert_eq!((made.payload.format, made.model), (Format::List, None));
    assert_eq!(expert.prompt_tokens(&ExpertCall::new("x")), None);
    let error = order::expert(model(&[r#"{"item":"snow"}"#])).run(ExpertCall::new("order snow")).await.unwrap_err();
    assert!(matches!(error, Error::Declined { message, .. } if message == "nobody sells snow"));
}
