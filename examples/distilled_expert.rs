//! A distilled expert takes over from the LMM while a hub runs: what `qsef distill export` wrote is picked up before the next request.
//!
//!     qsef distill run --config examples/distill/clinc150.toml
//!     qsef distill export --config examples/distill/clinc150.toml --id intents --into /tmp/experts \
//!         --description "Tells the intent of a customer's request, such as pay_bill or book_flight."
//!     cargo run --release -p qsef --example distilled_expert -- /tmp/experts test.jsonl
//!
//! Some requests of `test.jsonl` (`{"text","label","split"?}`), eight or as many as the next argument says, go to the LMM first, then to whom
//! the router gives them. With `all` at the end all of the file do after that.

use std::time::Instant;

use qsef::{
    AnyExpert, Budget, Cost, DistilledFolder, Error, ExpertCall, ExpertProfile, Models, Plan, Registry, Result,
    experts::{ModelExpert, Produces},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    text: String,
    label: String,
    #[serde(default)]
    split: Option<String>,
}

/// Puts requests to whom the router gives them, and says how that went.
async fn measure(registry: &Registry, rows: &[&Row]) -> Result<String> {
    let began = Instant::now();
    let (mut distilled, mut right, mut cost) = (0, 0, Cost::default());
    for row in rows {
        let assigned = registry.assign(&Plan::single(&row.text), &Budget::default()).await?;
        let Some(expert) = assigned.first().and_then(|assignment| registry.get(&assignment.expert)) else { continue };
        let mut done = expert.run(ExpertCall::new(&row.text)).await;
        if let (Err(Error::Declined { .. }), Some(fallback)) = (&done, registry.fallback()) {
            done = fallback.run(ExpertCall::new(&row.text)).await;
        } else {
            distilled += usize::from(expert.profile().id != "lmm");
        }
        let done = done?;
        right += usize::from(done.payload.to_text().trim() == row.label);
        cost += done.cost;
    }
    let each = |sum: f64| sum / rows.len().max(1) as f64;
    let tokens = each((cost.usage.prompt_tokens + cost.usage.completion_tokens) as f64);
    Ok(format!(
        "{distilled} of {} to the distilled expert, {:.1} % right, {:.1} ms and {tokens:.1} tokens of the LMM a request",
        rows.len(),
        100.0 * each(right as f64),
        1e3 * each(began.elapsed().as_secs_f64())
    ))
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, file, more @ ..] = args.as_slice() else {
        return Err(Error::Input("give the directory of experts and a file of requests".into()));
    };
    let asked: usize = more.iter().find_map(|number| number.parse().ok()).unwrap_or(8);
    let mut rows: Vec<Row> = qsef::eval::read_jsonl(file.as_ref())?.into_iter().map(|(_, row)| row).collect();
    rows.retain(|row: &Row| row.split.as_deref().is_none_or(|split| split == "test") && row.label != "oos");
    let mut labels: Vec<&str> = rows.iter().map(|row| row.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let models = Models::open(|_| {})?;
    let lmm = ModelExpert {
        profile: ExpertProfile::new("lmm", "Answers any request in words.").gives([qsef::Format::Text]),
        model: models.model(qsef::DEFAULT_MODEL)?,
        system_prompt: format!("Answer with the intent of the request, one of: {}. Nothing else.", labels.join(", ")),
        output: Produces::Text,
    };
    let embedder = models.embedder(qsef::DEFAULT_EMBEDDER).await?;
    let mut registry = Registry::new(embedder, vec![AnyExpert::new(lmm)], Some("lmm")).await?;
    let few: Vec<&Row> = rows.iter().step_by((rows.len() / asked.max(1)).max(1)).take(asked).collect();
    println!("before: {}", measure(&registry, &few).await?);

    let mut folder = DistilledFolder::new(dir);
    for warning in folder.refresh(&mut registry).await? {
        eprintln!("{warning}");
    }
    println!(
        "experts now: {}",
        registry.experts().iter().map(|e| e.profile().id.as_str()).collect::<Vec<_>>().join(", ")
    );
    println!("after: {}", measure(&registry, &few).await?);
    if more.iter().any(|which| which == "all") {
        println!("all: {}", measure(&registry, &rows.iter().collect::<Vec<_>>()).await?);
    }
    Ok(())
}
