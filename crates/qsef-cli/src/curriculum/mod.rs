//! `qsef curriculum`: data to train small models on.

pub mod args;

use std::time::Duration;

use args::Generate;
use qsef::{
    Error, Result,
    curriculum::{Cache, Done, Estimate, Input, Job, Progress, Settings, default_tiers},
};

use crate::{
    End, models,
    screen::{self, DIM, note, styled},
};

/// Requests at a time of a model that runs here, and of one behind an endpoint.
const AT_ONCE: [usize; 2] = [4, 16];

pub async fn generate(args: Generate) -> Result<End> {
    let settings = settings(&args)?;
    let is_local = qsef::is_embedded(&args.model) || !args.model.starts_with("openai:");
    let [here, there] = AT_ONCE;
    let concurrency = args.concurrency.map_or(if is_local { here } else { there }, usize::from);
    let mut inputs: Vec<Input> = args.inputs.into_iter().map(Input::Path).collect();
    inputs.extend(args.topics.map(Input::Topics));
    if args.kb {
        inputs.push(Input::Knowledge(qsef::open_knowledge()?));
    }
    let cache = match args.cache {
        Some(cache) => cache,
        None => qsef::home()?.join(Cache::FILE_NAME),
    };
    let all = models::all()?;
    let mut job = Job::new(inputs, args.out.clone(), all.model(&args.model)?, cache);
    if let Some(judge) = &args.judge {
        job.judge = Some(all.model(judge)?);
    }
    if args.embedder != "none" {
        job.embedder = Some(models::or_cancelled(all.embedder(&args.embedder)).await?);
    }
    job.settings = settings;
    job.concurrency = concurrency;
    job.limit = args.limit;
    job.progress = args.progress;
    job.resume = args.resume;
    let job = models::or_cancelled(job.prepare()).await?;
    let estimate = job.estimate(is_local);
    if args.dry_run {
        if args.json {
            screen::json(&estimate)?;
        } else {
            screen::print(&format!("{}\n", estimated(&estimate)));
        }
        return Ok(End::Done);
    }
    let left_out = job.left_out();
    if let Some(first) = left_out.first() {
        let (count, out) = (left_out.len(), args.out.display());
        note(styled(
            DIM,
            format!("{count} left out of the sources (all in {out}/rejected.jsonl), such as: {}", first.reason),
        ));
    }
    note(styled(DIM, estimated(&estimate)));
    let bar = screen::steps();
    let done = models::or_cancelled(job.run(|progress| show(&bar, progress))).await;
    screen::remove(&bar);
    let done = done.inspect_err(|error| {
        if !matches!(error, Error::Input(_) | Error::File { .. }) {
            note("what was answered is kept; the same command with --resume goes on there");
        }
    })?;
    if args.json {
        screen::json(&done)?;
    } else {
        screen::print(&format!("{}\n", in_words(&done)));
        let report = args.out.join("report.html");
        note(styled(DIM, format!("the report is {}; training.md says how to train", report.display())));
    }
    Ok(if done.summary.accepted == 0 { End::Failed } else { End::Done })
}

/// The settings of the file, with what the options say in their places.
fn settings(args: &Generate) -> Result<Settings> {
    let mut settings = args.config.as_deref().map(Settings::load).transpose()?.unwrap_or_default();
    if let Some(tiers) = args.tiers {
        settings.tiers = default_tiers(usize::from(tiers));
    }
    settings.judge &= !args.no_judge;
    settings.filter.scrub |= args.scrub;
    if let Some(against) = &args.against {
        settings.filter.against = Some(against.clone());
    }
    if let Some(licence) = &args.licence {
        settings.licence = Some(licence.clone());
    }
    settings.diverse = args.diverse.unwrap_or(settings.diverse);
    settings.seed = args.seed.unwrap_or(settings.seed);
    settings.teacher_top = args.teacher_logprobs.map_or(settings.teacher_top, usize::from);
    Ok(settings)
}

fn show(bar: &indicatif::ProgressBar, progress: &Progress) {
    let Progress { done, total, accepted, sent, cached, .. } = *progress;
    let kept = if cached > 0 { format!(", {cached} answers kept from before") } else { String::new() };
    let what = format!("writing tiers: {accepted} of {done} items whole, {sent} requests{kept}");
    if bar.is_hidden() {
        // Where stderr is no terminal, about twenty lines in all.
        let each = (total / 20).max(1);
        if done > 0 && (done % each == 0 || done == total) {
            note(format!("{what} ({done} of {total})"));
        }
        return;
    }
    bar.set_message(what);
    bar.set_length(total as u64);
    bar.set_position(done as u64);
}

fn estimated(estimate: &Estimate) -> String {
    let Estimate { items, requests, prompt_tokens, completion_tokens, usd, seconds, .. } = *estimate;
    let cost = if usd > 0.0 { format!(", ${usd:.2}") } else { String::new() };
    let time = humantime::format_duration(Duration::from_secs(seconds.max(1.0).round() as u64));
    format!(
        "{items} items: about {requests} requests, {:.1}k tokens to read and {:.1}k to write{cost}, {time} unless it was answered before",
        prompt_tokens as f64 / 1000.0,
        completion_tokens as f64 / 1000.0
    )
}

fn in_words(done: &Done) -> String {
    let summary = &done.summary;
    let cost = if summary.usd > 0.0 { format!(", ${:.2}", summary.usd) } else { String::new() };
    format!(
        "{} items: {} with all tiers accepted, {} rejected; {} rows; strictly ordered {:.0} %{cost}, {:.0} s",
        summary.items,
        summary.accepted,
        summary.rejected,
        summary.tiers,
        100.0 * summary.strictly_ordered,
        done.elapsed_s
    )
}
