//! The score alone, without an agent: which of an application's own handlers should get a request, how surely, and why.
//!
//!     cargo run --release -p qsef --example routing_only -- "my parcel has not come"

use qsef::{
    ExpertProfile, Models, Result,
    score::{Scorer, Task, Weights, anchor_texts},
};

#[tokio::main]
async fn main() -> Result<()> {
    let request = std::env::args().nth(1).unwrap_or_else(|| "my parcel has not come".into());
    let profiles = [
        ExpertProfile::new("shipping", "Tracks parcels and deliveries").examples(["Where is my order?"]),
        ExpertProfile::new("billing", "Explains invoices and refunds payments").examples(["I was charged twice"]),
        ExpertProfile::new("account", "Changes passwords, addresses and names").examples(["I cannot log in"]),
    ];
    // Any embedder: this one runs in the process.
    let models = Models::open(|_| {})?;
    let embedder = models.embedder(qsef::DEFAULT_EMBEDDER).await?;
    let mut scorer = Scorer::new(Weights::default());
    for profile in &profiles {
        scorer.add(profile, embedder.embed(anchor_texts(profile)).await?);
    }
    let task = Task::new(&request);
    let vectors = embedder.embed(task.texts().into()).await?;
    for score in scorer.score(&task, &vectors) {
        println!("{:10} TE {:.2}   {}", score.expert, score.te, score.breakdown());
    }
    Ok(())
}
