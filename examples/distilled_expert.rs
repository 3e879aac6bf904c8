//! A distilled expert takes over from the LMM while a hub runs: what `qsef distill export` wrote is picked up before the next request.
//!
//!     qsef distill run --config examples/distill/clinc150.toml
//!     qsef distill export --config examples/distill/clinc150.toml --id intents --into /tmp/experts \
//!         --description "Tells the intent of a customer's request, such as pay_bill or book_flight."
//!     cargo run --release -p qsef --example distilled_expert -- /tmp/experts test.jsonl
//!
//! Some requests of `test.jsonl` (`{"text","label","split"?}`) go to the LMM first, then to whom the router gives them. With `all` behind
//! the file, all of them do after that.

use std::time::Instant;

use qsef::{
    AnyExpert, Budget, DistilledFolder, Error, ExpertCall, ExpertProfile, Models, Plan, Registry, Result,
    experts::{ModelExpert, Produces},
};
use serde::Deserialize;

/// Requests that go to the LMM, which takes seconds for each.
const ASKED: usize = 8;

#[derive(Deserialize)]
struct Row {
    text: String,
    label: String,
    #[serde(default)]
    split: Option<String>,
}

/// Who gets each request, what share of the answers is the label, and milliseconds a request.
async fn measure(registry: &Registry, rows: &[Row]) -> Result<(usize, f64, f64)> {
    let began = Instant::now();
    let (mut distilled, mut right) = (0, 0);
    for row in rows {
        let assigned = registry.assign(&Plan::single(&row.text), &Budget::default()).await?;
        let Some(assignment) = assigned.first() else { continue };
        let Some(expert) = registry.get(&assignment.expert) else { continue };
        let mut done = expert.run(ExpertCall::new(&row.text)).await;
        if let (Err(Error::Declined { .. }), Some(fallback)) = (&done, registry.fallback()) {
            done = fallback.run(ExpertCall::new(&row.text)).await;
        } else {
            distilled += usize::from(expert.profile().id != "lmm");
        }
        right += usize::from(done?.payload.to_text().trim() == row.label);
    }
    let count = rows.len().max(1) as f64;
    Ok((distilled, right as f64 / count, began.elapsed().as_secs_f64() * 1e3 / count))
}

#[tokio::main]
async fn main() -> Result<()> {
    let (Some(dir), Some(file)) = (std::env::args().nth(1), std::env::args().nth(2)) else {
        return Err(Error::Input("give the directory of experts and a file of requests".into()));
    };
    let mut rows: Vec<Row> = qsef::eval::read_jsonl(file.as_ref())?.into_iter().map(|(_, row)| row).collect();
    rows.retain(|row: &Row| row.split.as_deref().is_none_or(|split| split == "test") && row.label != "oos");
    let mut labels: Vec<&str> = rows.iter().map(|row| row.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let models = Models::open(|_| {})?;
    let lmm = ModelExpert {
        profile: ExpertProfile::new("lmm", "Answers any request in words.").gives([qsef::Format::Text]),
        model: models.model("qwen2.5-coder-0.5b")?,
        system_prompt: format!("Answer with the intent of the request, one of: {}. Nothing else.", labels.join(", ")),
        output: Produces::Text,
    };
    let embedder = models.embedder(qsef::DEFAULT_EMBEDDER).await?;
    let mut registry = Registry::new(embedder, vec![AnyExpert::new(lmm)], Some("lmm")).await?;
    let step = (rows.len() / ASKED).max(1);
    let few: Vec<Row> = rows
        .iter()
        .step_by(step)
        .take(ASKED)
        .map(|r| Row { text: r.text.clone(), label: r.label.clone(), split: None })
        .collect();
    let (_, right, ms) = measure(&registry, &few).await?;
    println!("before: {} requests, all to the LMM, {:.1} % right, {ms:.0} ms each", few.len(), 100.0 * right);

    let mut folder = DistilledFolder::new(dir);
    for warning in folder.refresh(&mut registry).await? {
        eprintln!("{warning}");
    }
    println!(
        "experts now: {}",
        registry.experts().iter().map(|e| e.profile().id.as_str()).collect::<Vec<_>>().join(", ")
    );
    let (distilled, right, ms) = measure(&registry, &few).await?;
    println!("after, the same: {distilled} to the distilled expert, {:.1} % right, {ms:.1} ms each", 100.0 * right);
    if std::env::args().nth(3).is_some_and(|which| which == "all") {
        let (distilled, right, ms) = measure(&registry, &rows).await?;
        let count = rows.len();
        println!("all {count}: {distilled} to the distilled expert, {:.1} % right, {ms:.1} ms each", 100.0 * right);
    }
    Ok(())
}
