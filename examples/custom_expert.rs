//! An application's own function as an expert: a model fills its parameters from the request's words.
//!
//!     cargo run --release -p qsef --example custom_expert -- "Roll 3 dice with 6 sides"

use qsef::prelude::*;

/// Rolls dice with a number of sides.
#[qsef::expert(examples = ["Roll two dice"])]
async fn roll_dice(
    /// How many dice.
    dice: u32,
    /// How many sides each has; six where it is not said.
    sides: Option<u32>,
) -> Result<String, String> {
    let sides = sides.unwrap_or(6);
    match dice.checked_mul(sides) {
        None | Some(0) => Err(format!("{dice} dice with {sides} sides cannot be rolled")),
        Some(most) => Ok(format!("{dice} dice with {sides} sides: between {dice} and {most}")),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let request = std::env::args().nth(1).unwrap_or_else(|| "Roll 3 dice with 6 sides".into());
    let models = Models::open(|_| {})?;
    let mut hub = open_agent(&AgentConfig::builtin()?, &models).await?;
    hub.registry_mut().add(roll_dice::expert(models.model("qwen2.5-coder-0.5b")?)).await?;
    let report = hub.run(&request, RunOptions::default()).await?;
    println!("{}", report.answer);
    Ok(())
}
