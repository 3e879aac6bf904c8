use std::{sync::Mutex, sync::PoisonError, time::Instant};

use indicatif::ProgressBar;
use qsef::{
    Error, Result,
    knowledge::{AddOptions, Added, ExtractOptions, Merged, Progress},
    run::replay,
};
use serde_json::json;

use super::{
    absolute,
    args::{Add, Extract},
    filled,
};
use crate::{
    End, models,
    screen::{self, harmless, note},
};

/// Files that were left out and are told of one by one.
const TOLD: usize = 10;

pub async fn run(args: Add) -> Result<End> {
    let began = Instant::now();
    let base = qsef::open_knowledge()?;
    let embedder = if args.words_only {
        None
    } else {
        let opening = async { models::all()?.embedder_of(&base, args.embedder.as_deref()).await };
        Some(models::or_cancelled(opening).await?)
    };
    let options = AddOptions { embedder: embedder.clone(), extract: !args.no_graph };
    let bar = Bar::begin();
    let work = async {
        let added = base.add(&args.paths, &options, &|progress| bar.show(progress)).await?;
        let merged = match &embedder {
            Some(embedder) if options.extract => base.merge(embedder, &|progress| bar.show(progress)).await?,
            _ => Merged::default(),
        };
        Ok((added, merged))
    };
    let done = models::or_cancelled(work).await;
    bar.end();
    let (added, merged) = match done {
        Err(Error::Cancelled) => {
            note("what was added so far stays; the same command does the rest");
            return Err(Error::Cancelled);
        }
        done => done?,
    };
    for left in added.left.iter().take(TOLD) {
        screen::warning(harmless(&format!("{}: {}", left.path.display(), left.why)));
    }
    if added.left.len() > TOLD {
        screen::warning(format!("{} more files were left out", added.left.len() - TOLD));
    }
    if args.json {
        let mut row = json!(added);
        if let Some(row) = row.as_object_mut() {
            row.insert("merged".into(), merged.merged.into());
            row.insert("elapsed_s".into(), began.elapsed().as_secs_f64().into());
        }
        screen::json(&row)?;
    } else {
        screen::print(&format!("{}\n", in_words(&added, &merged)));
    }
    // What was asked for could not be added at all.
    let taken = added.new + added.changed + added.unchanged + added.duplicates;
    Ok(if taken == 0 && !added.left.is_empty() { End::Failed } else { End::Done })
}

/// Has a model read relations.
pub async fn extract(args: Extract) -> Result<End> {
    let base = filled()?;
    let model = models::all()?.model(&args.model)?;
    let mut options = ExtractOptions::default();
    options.limit = args.limit;
    options.source = args.source.as_deref().map(|source| absolute(source).unwrap_or_else(|| source.to_owned()));
    let bar = Bar::begin();
    let done = models::or_cancelled(base.extract(&model, &options, &|progress| bar.show(progress))).await;
    bar.end();
    if matches!(done, Err(Error::Cancelled)) {
        note("what was read so far stays; the same command goes on there");
    }
    let read = done?;
    if args.json {
        screen::json(&read)?;
    } else {
        screen::print(&format!(
            "{} pieces read: {} relations, {} of them new; {} that do not stand in their pieces were dropped\n",
            read.pieces, read.relations, read.new, read.dropped
        ));
    }
    Ok(End::Done)
}

/// Adds what a run answered.
pub async fn remember(trace: &str, json: bool) -> Result<End> {
    let ledger = qsef::open_ledger()?;
    let id = ledger.resolve(trace)?;
    let run = replay(ledger.steps_of(&id)?.into_iter().map(|(_, step)| step))?;
    let outputs: Vec<String> = run
        .work
        .values()
        .filter_map(|work| Some(format!("{}\n\n{}", work.subtask.task, work.output.as_ref()?.to_text())))
        .collect();
    if outputs.is_empty() {
        return Err(Error::Input(format!("the run {id} has no output to remember; `qsef trace show {id}` shows why")));
    }
    let base = qsef::open_knowledge()?;
    let embedder = match base.embedder()? {
        Some(_) => Some(models::or_cancelled(async { models::all()?.embedder_of(&base, None).await }).await?),
        None => None,
    };
    let options = AddOptions { embedder, ..AddOptions::default() };
    let added = base.add_answer(&id, &run.request, &outputs.join("\n\n"), &options).await?;
    if json {
        screen::json(&added)?;
    } else {
        screen::print(&format!("{} new pieces; `qsef kb remove answer:{id}` takes them out\n", added.chunks));
    }
    Ok(End::Done)
}

fn in_words(added: &Added, merged: &Merged) -> String {
    let counts = [
        (added.new, "new"),
        (added.changed, "changed"),
        (added.unchanged, "as before"),
        (added.duplicates, "with content that is there already"),
        (added.gone, "gone"),
        (added.left.len(), "left out"),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() {
        return "no documents are there: Markdown, text, HTML, PDF, CSV, JSON lines and source code are read".into();
    }
    let names = match merged.merged {
        0 => String::new(),
        count => format!(", {count} names of concepts taken for others"),
    };
    format!("files: {}; {} new pieces, {} vectors{names}", parts.join(", "), added.chunks, added.embedded)
}

/// A moving line: how many files are done.
struct Bar {
    bar: ProgressBar,
    files: Mutex<usize>,
}

impl Bar {
    fn begin() -> Self {
        Self { bar: screen::steps(), files: Mutex::new(0) }
    }

    fn show(&self, progress: Progress) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Found(count) => {
                *files = count;
                screen::step(&self.bar, "adding files", 0, count);
            }
            Progress::Done { files: done, .. } => screen::step(&self.bar, "adding files", done, *files),
            Progress::Embedded(done, all) => screen::step(&self.bar, "making vectors", done, all),
            Progress::Read(done, all) => screen::step(&self.bar, "reading", done, all),
            Progress::Compared(done, all) => screen::step(&self.bar, "comparing names", done, all),
            _ => {}
        }
    }

    fn end(&self) {
        screen::remove(&self.bar);
    }
}
