//! An application's own function as an expert: the model fills its arguments from the request's words.
//!
//!     cargo run --release -p qsef --example typed_expert -- "Roll 3 dice with 6 sides"

use qsef::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the function takes; the model fills it under this schema.
#[derive(Deserialize, JsonSchema)]
struct Roll {
    /// How many dice.
    dice: u32,
    /// How many sides each has.
    sides: u32,
}

async fn roll(roll: Roll) -> Result<String> {
    let most = u64::from(roll.dice) * u64::from(roll.sides);
    Ok(format!("{} dice with {} sides: between {} and {most}", roll.dice, roll.sides, roll.dice))
}

#[tokio::main]
async fn main() -> Result<()> {
    let request = std::env::args().nth(1).unwrap_or_else(|| "Roll 3 dice with 6 sides".into());
    let models = Models::open(|event| eprintln!("{:?} {}/{}", event.phase, event.done, event.total))?;
    let mut hub = open_agent(&AgentConfig::builtin()?, &models).await?;
    let profile = ExpertProfile::new("roll_dice", "Rolls dice with a number of sides").examples(["Roll two dice"]);
    let expert = TypedExpert::new(profile, models.model("qwen2.5-coder-0.5b")?, roll);
    hub.registry_mut().add(AnyExpert::new(expert)).await?;
    let report = hub.run(&request, RunOptions::default()).await?;
    println!("{}", report.answer);
    Ok(())
}
