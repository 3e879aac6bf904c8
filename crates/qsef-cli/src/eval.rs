use std::io::Write;

use indicatif::ProgressBar;
use qsef::{Error, Result, eval};
use serde_json::json;

use crate::{
    End,
    args::{EvalAdapt, EvalPlan, Generate},
    models, screen,
};

pub async fn plan(args: EvalPlan) -> Result<End> {
    let experts = eval::plan::read_experts(&args.experts)?;
    let mut cases = eval::plan::read_cases(&args.cases, &experts)?;
    cases.truncate(args.limit.unwrap_or(usize::MAX));
    let models = models::all()?;
    let model = models.model(args.model.as_deref().unwrap_or(qsef::DEFAULT_MODEL))?;
    let embedder = models::or_cancelled(models.embedder(qsef::DEFAULT_EMBEDDER)).await?;
    let mut details = match &args.details {
        Some(path) => Some((path, std::fs::File::create(path).map_err(|e| Error::io("create", path, e))?)),
        None => None,
    };
    let bar = screen::add(ProgressBar::new(cases.len() as u64));
    let mut failed = None;
    let evaluating = eval::plan::evaluate(model, embedder, experts, &cases, |done, result| {
        bar.set_position(done as u64);
        if let Some((path, file)) = &mut details
            && let Err(e) =
                serde_json::to_writer(&*file, result).map_err(Into::into).and_then(|()| file.write_all(b"\n"))
        {
            failed = Some(Error::io("write", path, e));
        }
    });
    let report = models::or_cancelled(evaluating).await?;
    screen::remove(&bar);
    if let Some(error) = failed {
        return Err(error);
    }
    if args.json {
        screen::json(&report)?;
    } else {
        screen::print(&format!(
            "{} cases: node F1 {:.3} (precision {:.3}, recall {:.3}), edge F1 {:.3}, exact {:.0} %, failed {}, invented {}\n\
             plan in {:.1} s (median), {:.1} s (95 %), {:.0} tokens\n",
            report.n,
            report.node_f1,
            report.node_precision,
            report.node_recall,
            report.edge_f1,
            100.0 * report.exact,
            report.failed,
            report.hallucinated,
            report.p50_s,
            report.p95_s,
            report.tokens_per_plan,
        ));
    }
    Ok(End::Done)
}

pub async fn adapt(args: EvalAdapt) -> Result<End> {
    let simulating = screen::spinner("simulating");
    let report = tokio::task::spawn_blocking(move || eval::adapt::evaluate(args.seeds));
    let report = async { report.await.map_err(|e| Error::Internal(e.to_string()))? };
    let report = models::or_cancelled(report).await?;
    screen::remove(&simulating);
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    let cell = |e: &eval::adapt::Estimate, digits: usize| format!("{:.digits$} ± {:.digits$}", e.mean, e.se);
    let row = |cells: [&str; 7]| {
        let [name, rest @ ..] = cells;
        rest.iter().fold(format!("{name:22}"), |line, cell| format!("{line} {cell:>17}")) + "\n"
    };
    let head = ["policy", "regret", "after change", "after arrival", "recovery, tasks", "exploration", "within budget"];
    let mut table = row(head);
    for p in &report.policies {
        table += &row([
            p.name,
            &cell(&p.regret, 1),
            &cell(&p.regret_after_change, 1),
            &cell(&p.regret_after_arrival, 1),
            &cell(&p.recovery_tasks, 0),
            &cell(&p.exploration_cost, 1),
            &cell(&p.budgeted_utility, 3),
        ]);
    }
    let over: usize = report.policies.iter().map(|p| p.budget_violations).sum();
    let runs = report.windows * report.policies.len();
    screen::print(&format!(
        "{table}{} worlds of {} tasks, mean ± standard error; {over} of {runs} windows over their money budget\n",
        report.seeds, report.tasks
    ));
    Ok(End::Done)
}

pub async fn generate(args: Generate) -> Result<End> {
    let name = args.model.unwrap_or_else(|| qsef::DEFAULT_MODEL.into());
    let model = models::or_cancelled(models::all()?.candle(&name)).await?;
    let (prompt, new) = (args.prompt_tokens, args.new_tokens);
    let measuring = screen::spinner("measuring");
    let bench = tokio::task::spawn_blocking(move || model.bench(prompt, new));
    let bench = async { bench.await.map_err(|e| Error::Internal(e.to_string()))? };
    let report = models::or_cancelled(bench).await?;
    screen::remove(&measuring);
    let peak = peak_rss_mb();
    if args.json {
        screen::json(&json!({
            "load_s": report.load_s, "prefill_tok_s": report.prefill_tok_s, "decode_tok_s": report.decode_tok_s,
            "peak_rss_mb": peak,
        }))?;
    } else {
        let memory = peak.map_or(String::new(), |mb| format!(", {mb:.0} MB of memory at most"));
        screen::print(&format!(
            "load {:.2} s, prompt {:.1} tokens/s, generation {:.1} tokens/s{memory}\n",
            report.load_s, report.prefill_tok_s, report.decode_tok_s
        ));
    }
    Ok(End::Done)
}

/// The most memory that this process had, in 10⁶ bytes; known on Linux.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
