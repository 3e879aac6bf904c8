use std::io::Write;

use indicatif::ProgressBar;
use qsef::{Error, Result, eval};

use crate::{
    End,
    args::{EvalAdapt, EvalIntent, EvalPlan, EvalReadability, EvalRoute},
    models, screen,
};

pub async fn plan(args: EvalPlan) -> Result<End> {
    let experts = eval::plan::read_experts(&args.experts)?;
    let mut cases = eval::plan::read_cases(&args.cases, &experts)?;
    cases.truncate(args.limit.unwrap_or(usize::MAX));
    let history = args.history.as_deref().map(|path| eval::plan::read_cases(path, &experts)).transpose()?;
    let setting = eval::plan::Setting { history: history.unwrap_or_default(), without: args.without.map(Into::into) };
    let models = models::all()?;
    let model = models.model(args.model.as_deref().unwrap_or(qsef::DEFAULT_MODEL))?;
    let embedder = models::or_cancelled(models.embedder(qsef::DEFAULT_EMBEDDER)).await?;
    let mut details = match &args.details {
        Some(path) => Some((path, std::fs::File::create(path).map_err(|e| Error::io("create", path, e))?)),
        None => None,
    };
    let bar = screen::add(ProgressBar::new(cases.len() as u64));
    let mut failed = None;
    let evaluating = eval::plan::evaluate(model, embedder, experts, &cases, setting, |done, result| {
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

pub async fn route(args: EvalRoute) -> Result<End> {
    let set = eval::route::read(&args.train, &args.test, args.experts.as_deref())?;
    let models = models::all()?;
    let embedder = models::or_cancelled(models.embedder(qsef::DEFAULT_EMBEDDER)).await?;
    let bar = screen::steps();
    let evaluating = eval::route::evaluate(&set, &embedder, args.ablation, |what, done, total| {
        screen::step(&bar, what, done, total);
    });
    let report = models::or_cancelled(evaluating).await?;
    screen::remove(&bar);
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    let mut text = format!("{} requests\n\n{:14} {:>8} {:>8} {:>8}\n", report.n, "policy", "quality", "$/Mtok", "gap");
    for policy in &report.policies {
        let share = policy.share_of_oracle_gap.map_or("–".into(), |s| format!("{:.0} %", 100.0 * s));
        text += &format!("{:14} {:>8.3} {:>8.2} {share:>8}\n", policy.name, policy.quality, policy.usd_per_mtok);
    }
    let qsef = &report.qsef;
    text += &format!(
        "\nTE as a probability: Brier {:.4} (base rates {:.4}), calibration error {:.3}; a decision takes {:.0} µs\n",
        qsef.brier, qsef.base_brier, qsef.ece, qsef.decision_us_p50
    );
    if let Some(apgr) = qsef.apgr {
        let share = |cpt: Option<f64>| cpt.map_or("–".into(), |c| format!("{c:.0} %"));
        text += &format!("APGR {apgr:.3}, CPT(50 %) {}, CPT(80 %) {}\n", share(qsef.cpt50), share(qsef.cpt80));
    }
    for (i, row) in report.ablation.iter().enumerate() {
        if i == 0 {
            text += &format!("\n{:14} {:>8} {:>8} {:>8} {:>8}\n", "without", "quality", "Brier", "ECE", "APGR");
        }
        let apgr = row.apgr.map_or("–".into(), |a| format!("{a:.3}"));
        text +=
            &format!("{:14} {:>8.3} {:>8.4} {:>8.3} {apgr:>8}\n", row.without.name(), row.quality, row.brier, row.ece);
    }
    screen::print(&text);
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

pub async fn intent(args: EvalIntent) -> Result<End> {
    let set = eval::intent::read(&args.train, &args.test)?;
    let models = models::all()?;
    let embedder = models::or_cancelled(models.embedder(qsef::DEFAULT_EMBEDDER)).await?;
    let bar = screen::steps();
    let evaluating = eval::intent::evaluate(&set, &embedder, |what, done, total| {
        screen::step(&bar, what, done, total);
    });
    let report = models::or_cancelled(evaluating).await?;
    screen::remove(&bar);
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    let percent = |share: Option<f64>| share.map_or("–".into(), |s| format!("{:.1} %", 100.0 * s));
    screen::print(&format!(
        "{} intents, {} requests in scope and {} out of scope\n\
         accuracy {} (in scope; what is rejected counts as wrong), {} if nothing is rejected\n\
         out of scope: recall {}, AUROC {}, threshold TE {:.3}\n\
         {:.1} ms per request, of which {:.2} ms without embedding\n",
        report.intents,
        report.in_scope,
        report.out_of_scope,
        percent(Some(report.accuracy)),
        percent(Some(report.accuracy_forced)),
        percent(report.oos_recall),
        report.oos_auroc.map_or("–".into(), |a| format!("{a:.3}")),
        report.threshold.unwrap_or_default(),
        report.ms_per_query,
        report.ms_per_decision,
    ));
    Ok(End::Done)
}

pub fn readability(args: EvalReadability) -> Result<End> {
    let report = eval::readability::evaluate(&args.texts, &args.levels)?;
    if args.json {
        screen::json(&report)?;
        return Ok(End::Done);
    }
    let mut text = format!("{} texts at {} levels", report.n, report.levels.len());
    if report.incomplete > 0 {
        text += &format!("; {} lack a level and are left out", report.incomplete);
    }
    text += &format!("\n\n{:18} {:>7}", "measure", "ordered");
    for level in &report.levels {
        text += &format!(" {level:>12}");
    }
    for measure in [&report.overall].into_iter().chain(&report.parts) {
        text += &format!("\n{:18} {:>5.0} %", measure.name, 100.0 * measure.strictly_ordered);
        for mean in &measure.means {
            text += &format!(" {mean:>12.3}");
        }
    }
    screen::print(&(text + "\n"));
    Ok(End::Done)
}
