use std::time::Instant;

use indicatif::ProgressBar;
use qsef::{AnyModel, Error, Result, eval::speed};
use serde::Serialize;

use crate::{
    End,
    args::{BenchEmbed, BenchGenerate, BenchPlan},
    models, screen,
};

#[derive(Serialize)]
struct Generated {
    #[serde(flatten)]
    speed: speed::GenerateReport,
    peak_rss_mb: Option<f64>,
}

pub async fn generate(args: BenchGenerate) -> Result<End> {
    let start = Instant::now();
    let model = measured(args.model.as_deref(), true).await?;
    let loading = start.elapsed().as_secs_f64();
    let measuring = screen::spinner("measuring");
    let mut speed =
        models::or_cancelled(speed::generate(&model, args.prompt_tokens, args.new_tokens, args.at_once)).await?;
    speed.load_s += loading;
    screen::remove(&measuring);
    let report = Generated { speed, peak_rss_mb: peak_rss_mb() };
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    let Generated { speed, peak_rss_mb } = report;
    let memory = peak_rss_mb.map_or(String::new(), |mb| format!(", {mb:.0} MB of memory at most"));
    screen::print(&format!(
        "load {:.2} s, first token after {:.2} s, prompt {:.1} tokens/s ({}), generation {:.1} tokens/s ({}){memory}\n",
        speed.load_s,
        speed.first_token_s,
        speed.prefill_tok_s,
        speed.prompt_tokens,
        speed.decode_tok_s,
        speed.new_tokens
    ));
    Ok(End::Done)
}

pub async fn plan(args: BenchPlan) -> Result<End> {
    let mut queries = qsef::eval::plan::read_queries(&args.cases)?;
    queries.truncate(args.limit.unwrap_or(usize::MAX));
    let model = measured(args.model.as_deref(), args.plain).await?;
    let bar = screen::add(ProgressBar::new(queries.len() as u64));
    let report = models::or_cancelled(speed::plan(&model, &queries, |done| bar.set_position(done as u64))).await?;
    screen::remove(&bar);
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    let speed::PlanReport { n, p50_s, p95_s, mean, .. } = report;
    screen::print(&format!(
        "{n} plans: {p50_s:.2} s (median), {p95_s:.2} s (95 %)\n\
         mean {:.2} s: reading {:.2} s ({:.0} tokens), writing {:.2} s ({:.0} tokens), the rest {:.1} ms\n",
        mean.seconds,
        mean.read_s,
        mean.read_tokens,
        mean.write_s,
        mean.new_tokens,
        1000.0 * mean.rest_s
    ));
    Ok(End::Done)
}

pub async fn embed(args: BenchEmbed) -> Result<End> {
    let text = std::fs::read_to_string(&args.texts).map_err(|e| Error::io("read", &args.texts, e))?;
    let texts: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    let name = args.model.as_deref().unwrap_or(qsef::DEFAULT_EMBEDDER);
    let embedder = models::or_cancelled(models::all()?.embedder(name)).await?;
    let measuring = screen::spinner("measuring");
    let report = models::or_cancelled(speed::embed(&embedder, &texts)).await?;
    screen::remove(&measuring);
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    screen::print(&format!(
        "{} texts: {:.2} ms by itself (median), {:.0} texts/s all together\n",
        report.n, report.ms_per_text, report.texts_per_s
    ));
    Ok(End::Done)
}

/// The model of this name; `plain` for the embedded backend without guessed tokens.
async fn measured(name: Option<&str>, plain: bool) -> Result<AnyModel> {
    let (models, name) = (models::all()?, name.unwrap_or(qsef::DEFAULT_MODEL));
    if plain && qsef::is_embedded(name) {
        let model = models::or_cancelled(models.candle(name)).await?;
        return Ok(AnyModel::new(model.with_speculation(false)));
    }
    models.model(name)
}

/// The most memory that this process had, in 10⁶ bytes; known on Linux.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
