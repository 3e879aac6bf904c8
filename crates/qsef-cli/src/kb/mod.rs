//! `qsef kb`: the knowledge base of the home directory.

mod add;
pub mod args;
mod graph;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use args::{By, Form, Kb, Search};
use qsef::{
    Error, Result,
    knowledge::{Hit, KnowledgeBase, Mode, Removed, SearchOptions, TripleFormat},
};
use serde_json::{Value, json};

use crate::{
    End, models,
    screen::{self, BOLD, DIM, harmless, note, styled},
};

/// Letters of a piece that a search shows.
const SHOWN: usize = 240;

pub async fn run(command: Kb) -> Result<End> {
    match command {
        Kb::Add(args) => add::run(args).await,
        Kb::Search(args) => search(args).await,
        Kb::Graph(args) => graph::run(args),
        Kb::Stats { json } => stats(json),
        Kb::List { json } => list(json),
        Kb::Remove { sources, json } => remove(&sources, json),
        Kb::Import { file, form, json } => import(&file, form, json),
        Kb::Export { file, form } => export(&file, form),
        Kb::Extract(args) => add::extract(args).await,
        Kb::Remember { trace, json } => add::remember(&trace, json).await,
        Kb::Learn(args) => graph::learn(args).await,
    }
}

/// The base, which something has to be in.
fn filled() -> Result<KnowledgeBase> {
    let path = qsef::knowledge_path()?;
    let base = if path.exists() { Some(KnowledgeBase::open(&path)?) } else { None };
    match base {
        Some(base) if !base.is_empty()? => Ok(base),
        _ => Err(Error::Input(format!(
            "the knowledge base {} is empty; `qsef kb add PATH` adds documents",
            path.display()
        ))),
    }
}

async fn search(args: Search) -> Result<End> {
    let base = filled()?;
    let mode = match args.by {
        By::Fused => Mode::Fused,
        By::Words => Mode::Words,
        By::Meaning => Mode::Meaning,
    };
    let has_vectors = mode != Mode::Words && base.embedder()?.is_some();
    if mode == Mode::Meaning && !has_vectors {
        return Err(Error::Input(
            "the knowledge base has no vectors; `qsef kb add` without --words-only makes them".into(),
        ));
    }
    let vector = if has_vectors {
        let work = async {
            let embedder = models::all()?.embedder_of(&base, None).await?;
            embedder.embed(vec![args.query.clone()]).await
        };
        models::or_cancelled(work).await?.into_iter().next()
    } else {
        None
    };
    let options = SearchOptions { limit: usize::from(args.limit), mode, vector: vector.as_deref() };
    let hits = base.search(&args.query, &options)?;
    if args.json {
        let row = |hit: &Hit| {
            let mut row = json!(hit);
            if let Some(row) = row.as_object_mut() {
                row.insert("citation".into(), hit.citation().into());
            }
            row
        };
        screen::json(&json!({"query": args.query, "hits": hits.iter().map(row).collect::<Vec<Value>>()}))?;
        return Ok(End::Done);
    }
    if hits.is_empty() {
        note("nothing fits; try other words, or `qsef kb list` to see what was added");
    }
    for (number, hit) in (1..).zip(&hits) {
        let heading = styled(DIM, one_line(&hit.chunk.heading, 80));
        screen::print(&format!("{number}. {}  {heading}\n", styled(BOLD, harmless(&shorter(hit)))));
        screen::print(&format!("   {}\n", one_line(&hit.chunk.text, SHOWN)));
    }
    Ok(End::Done)
}

/// A citation with a path from here, where that is shorter.
fn shorter(hit: &Hit) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let inside = here.and_then(|here| Path::new(&hit.source).strip_prefix(here).ok().map(Path::to_owned));
    inside.map_or_else(|| hit.citation(), |path| format!("{}{}", path.display(), hit.chunk.place))
}

fn one_line(text: &str, chars: usize) -> String {
    let line = harmless(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(chars).collect();
    if short.len() < line.len() { short + "…" } else { short }
}

fn stats(json: bool) -> Result<End> {
    let path = qsef::knowledge_path()?;
    let stats =
        if path.exists() { KnowledgeBase::open(&path)?.stats()? } else { KnowledgeBase::in_memory()?.stats()? };
    if json {
        let mut row = json!(stats);
        if let Some(row) = row.as_object_mut() {
            row.insert("path".into(), json!(path));
        }
        screen::json(&row)?;
        return Ok(End::Done);
    }
    screen::print(&format!("{}\n", styled(BOLD, path.display())));
    let vectors = match &stats.embedder {
        Some(embedder) => format!("{} with vectors of {embedder}", stats.vectors),
        None => "none with vectors".to_owned(),
    };
    for (what, count, more) in [
        ("files", stats.sources, format!("{} contents that differ", stats.documents)),
        ("pieces", stats.chunks, vectors),
        ("concepts", stats.concepts, String::new()),
        ("relations", stats.relations, format!("said in {} places", stats.evidence)),
    ] {
        screen::print(&format!("{count:8} {what:10} {}\n", styled(DIM, more)));
    }
    screen::print(&format!("{:8.1} MB\n", stats.bytes as f64 / 1e6));
    Ok(End::Done)
}

fn list(json: bool) -> Result<End> {
    let path = qsef::knowledge_path()?;
    let documents = if path.exists() { KnowledgeBase::open(&path)?.documents()? } else { Vec::new() };
    if json {
        screen::json(&json!({ "documents": documents }))?;
        return Ok(End::Done);
    }
    if documents.is_empty() {
        note("nothing was added yet; `qsef kb add PATH` adds documents");
    }
    for document in documents {
        let about = styled(DIM, format!("{:8}  {}", document.kind, one_line(&document.title, 60)));
        screen::print(&format!("{:6} {}  {about}\n", document.chunks, harmless(&document.source)));
    }
    Ok(End::Done)
}

fn remove(sources: &[String], json: bool) -> Result<End> {
    let base = filled()?;
    let mut all = Removed::default();
    for source in sources {
        let removed = match absolute(source).map(|path| base.remove(&path)) {
            Some(Ok(removed)) => removed,
            _ => base.remove(source)?,
        };
        all.sources += removed.sources;
        all.documents += removed.documents;
        all.chunks += removed.chunks;
        all.relations += removed.relations;
        all.concepts += removed.concepts;
    }
    if json {
        screen::json(&all)?;
    } else {
        let Removed { sources, chunks, relations, concepts, .. } = all;
        screen::print(&format!(
            "removed {sources} files with {chunks} pieces, {relations} relations and {concepts} concepts\n"
        ));
    }
    Ok(End::Done)
}

/// A path from here as the base has it; links are resolved where the file is still there.
fn absolute(source: &str) -> Option<String> {
    let path = Path::new(source);
    let absolute = path.canonicalize().or_else(|_| std::path::absolute(path)).ok()?;
    Some(absolute.to_string_lossy().into_owned())
}

fn format_of(file: &Path, form: Option<Form>) -> Result<TripleFormat> {
    let named = form.map(|form| match form {
        Form::Tsv => TripleFormat::Tsv,
        Form::Nt => TripleFormat::NTriples,
    });
    named.or_else(|| TripleFormat::of(file)).ok_or_else(|| {
        Error::Input(format!("the name of {} tells no form of triples; --form tsv or --form nt does", file.display()))
    })
}

fn import(file: &Path, form: Option<Form>, json: bool) -> Result<End> {
    let format = format_of(file, form)?;
    let imported = qsef::open_knowledge()?.import(file, format)?;
    if json {
        screen::json(&imported)?;
        return Ok(End::Done);
    }
    let skipped = match imported.skipped {
        0 => String::new(),
        count => format!("; {count} without two names were left out"),
    };
    screen::print(&format!("{} triples, {} new relations{skipped}\n", imported.triples, imported.relations));
    Ok(End::Done)
}

fn export(file: &PathBuf, form: Option<Form>) -> Result<End> {
    let is_stdout = file.as_os_str() == "-";
    let format = if is_stdout && form.is_none() { TripleFormat::Tsv } else { format_of(file, form)? };
    let graph = filled()?.graph()?;
    if is_stdout {
        let mut out = BufWriter::new(std::io::stdout().lock());
        // A reader that went away is no error.
        let _ = graph.write_triples(format, &mut out).and_then(|()| out.flush());
        return Ok(End::Done);
    }
    let write = |file: File| {
        let mut out = BufWriter::new(file);
        graph.write_triples(format, &mut out).and_then(|()| out.flush())
    };
    File::create(file).and_then(write).map_err(|e| Error::io("write", file, e))?;
    Ok(End::Done)
}
