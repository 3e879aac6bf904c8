//! `qsef distill`: small experts from large ones.

pub mod args;

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use qsef::{
    Error, Result,
    distill::{
        config::Config,
        decoder::{Adapters, Tune, TuneSettings},
        export::{Export, export},
        run::{Event, Results},
    },
};

use args::{DistillExport, DistillRun, DistillTune};

use crate::{End, models, screen};

pub async fn run(args: DistillRun) -> Result<End> {
    let mut config = Config::load(&args.config)?;
    config.device = args.device.unwrap_or(config.device);
    let report = config.out.join("report.html");
    let models = models::all()?;
    let bar = screen::steps();
    let results = finished(&bar, models::or_cancelled(models.distill(config, showing(&bar))).await)?;
    if args.json {
        screen::json(&results)?;
    } else {
        screen::print(&table(&results));
        screen::note(screen::styled(screen::DIM, format!("plots are in {}", report.display())));
    }
    Ok(End::Done)
}

/// Shows what is heard of the work.
fn showing(bar: &ProgressBar) -> impl Fn(&Event) + Send + 'static {
    let shown = bar.clone();
    // Where stderr is no terminal, each thing that begins and each figure has a line.
    let last = Arc::new(Mutex::new(String::new()));
    move |event: &Event| {
        let text = if event.note.is_empty() { event.what.clone() } else { format!("{}, {}", event.what, event.note) };
        if shown.is_hidden() {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if *last != text {
                screen::note(format!("{text} ({} of {})", event.done, event.total));
                *last = text;
            }
        } else {
            screen::step(&shown, &text, event.done as usize, event.total as usize);
        }
    }
}

/// Takes the bar away, and says how work that was cancelled goes on.
fn finished<T>(bar: &ProgressBar, done: Result<T>) -> Result<T> {
    screen::remove(bar);
    if matches!(done, Err(Error::Cancelled)) {
        screen::note("what was done is kept; the same command goes on there");
    }
    done
}

pub async fn tune(args: DistillTune) -> Result<End> {
    let settings = TuneSettings {
        steps: args.steps,
        batch: args.batch,
        rate: args.rate,
        sampling: args.order,
        adapters: Adapters { rank: args.rank, alpha: 2.0 * args.rank as f64 },
        max_tokens: args.max_tokens,
        validate_every: args.validate_every,
        checkpoint_every: args.validate_every,
        patience: args.patience,
        seed: args.seed,
        ..TuneSettings::default()
    };
    settings.check().map_err(|(field, message)| Error::Input(format!("--{}: {message}", field.replace('_', "-"))))?;
    let work =
        Tune { settings, base: args.base, data: args.data, valid: args.valid, out: args.out, device: args.device };
    let models = models::all()?;
    let bar = screen::steps();
    let tuned = finished(&bar, models::or_cancelled(models.tune(work, showing(&bar))).await)?;
    if args.json {
        screen::json(&tuned)?;
        return Ok(End::Done);
    }
    let change = tuned.valid_before.zip(tuned.valid).map_or(String::new(), |(before, after)| {
        format!(", validation loss {before:.3} → {after:.3} nats a token (step {})", tuned.best_step)
    });
    let (rows, left_out, seconds) = (tuned.rows, tuned.left_out, tuned.seconds);
    let long = if left_out > 0 { format!(" ({left_out} too long)") } else { String::new() };
    screen::print(&format!(
        "{}: {} steps on {rows} rows{long} in {seconds:.0} s{change}\n",
        tuned.model.display(),
        tuned.steps
    ));
    Ok(End::Done)
}

fn table(results: &Results) -> String {
    let mut text = String::new();
    if let Some(teacher) = &results.teacher {
        text += &format!("teacher: {}\n\n", teacher.told(results.measure));
    }
    let width = results.summary.iter().map(|row| row.mode.len()).max().unwrap_or(0).max(4);
    text += &format!("{:width$}  runs  {:>8}   ± se  macro-F1  seconds\n", "mode", results.measure);
    for row in &results.summary {
        let se = row.se.map_or("–".into(), |se| format!("{:.2}", 100.0 * se));
        let (mode, n, mean, f1) = (&row.mode, row.n, 100.0 * row.mean, 100.0 * row.macro_f1);
        text += &format!("{mode:width$}  {n:4}  {mean:8.2}  {se:>5}  {f1:8.2}  {:7.0}\n", row.seconds);
    }
    if results.paired.iter().any(|pair| pair.n > 1) {
        text += "\non the same seeds:\n";
    }
    for pair in results.paired.iter().filter(|pair| pair.n > 1) {
        let p = pair.p.map_or(String::new(), |p| format!(", p = {p:.3}"));
        let se = pair.se.map_or(String::new(), |se| format!(" ± {:.2}", 100.0 * se));
        text += &format!("{} − {}: {:+.2}{se}{p}\n", pair.a, pair.b, 100.0 * pair.difference);
    }
    text
}

pub async fn export_expert(args: DistillExport) -> Result<End> {
    let into = match args.into {
        Some(dir) => dir,
        None => qsef::home()?.join("experts"),
    };
    let config = Config::load(&args.config)?;
    let wanted = Export { mode: args.mode, seed: args.seed, id: args.id, description: args.description };
    let models = models::all()?;
    let embedder = models::or_cancelled(models.embedder(qsef::DEFAULT_EMBEDDER)).await?;
    let exported = models::or_cancelled(export(&config, wanted, &embedder, &into)).await?;
    if args.json {
        screen::json(&exported)?;
    } else {
        let (accuracy, latency) = (100.0 * exported.accuracy, exported.latency_ms);
        let size = exported.params as f64 / 1e6;
        let spans = exported.span_f1.map_or(String::new(), |f1| format!("span F1 {:.2} %, ", 100.0 * f1));
        screen::print(&format!(
            "{}: {spans}accuracy {accuracy:.2} %, {latency:.2} ms a request, {size:.2} M parameters\n",
            exported.dir.display()
        ));
    }
    Ok(End::Done)
}
