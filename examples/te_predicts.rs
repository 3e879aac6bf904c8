//! Whether transmission efficiency tells which trained expert will be right: CLINC150's intents are dealt to several small experts, each
//! trained on its own alone, and every test request is put to all of them.
//!
//!     cargo run --release -p qsef --example te_predicts -- ../shared/data/clinc150 out
//!
//! It prints Spearman's correlation of predicted TE with actual correctness over all (request, expert) pairs and over those whose intent the
//! expert knows, with 95 % intervals, and how often the expert with the highest TE is right.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use qsef::{
    AnyExpert, Distilled, Error, Models, Registry, Result,
    distill::{
        config::Config,
        export::{Export, export},
    },
    eval::{
        metrics::{brier, spearman},
        read_jsonl,
    },
};
use serde::{Deserialize, Serialize};

/// Experts that share the intents.
const EXPERTS: usize = 5;

#[derive(Clone, Serialize, Deserialize)]
struct Row {
    text: String,
    label: String,
    #[serde(default)]
    split: Option<String>,
}

fn rows(path: &Path, split: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = read_jsonl(path)?.into_iter().map(|(_, row)| row).collect();
    rows.retain(|row: &Row| row.split.as_deref() == Some(split) && row.label != "oos");
    Ok(rows)
}

fn write(path: &Path, rows: &[Row], keep: impl Fn(&Row) -> bool) -> Result<()> {
    let lines: Vec<String> =
        rows.iter().filter(|row| keep(row)).map(|row| serde_json::to_string(row).unwrap_or_default()).collect();
    std::fs::write(path, lines.join("\n")).map_err(|e| Error::io("write", path, e))
}

/// Trains an expert on the intents that `knows`, and exports it.
async fn train(models: &Models, place: usize, names: &[&str], sets: [&[Row]; 3], out: &Path) -> Result<Distilled> {
    let dir = out.join(format!("part-{place}"));
    std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
    for (file, rows) in ["train.jsonl", "valid.jsonl", "test.jsonl"].iter().zip(sets) {
        write(&dir.join(file), rows, |row| names.contains(&row.label.as_str()))?;
    }
    let text = "data = \"train.jsonl\"\nvalid = \"valid.jsonl\"\ntest = \"test.jsonl\"\nout = \"grid\"\nmodes = [\"none+augment\"]\nseeds = [1]\n\
                steps = 600\nmax_tokens = 48\n[student]\nlayers = 1\nhidden = 128\nheads = 4\n[train]\nbatch = 64\nrate = 3e-3\ndropout = 0.3\n\
                validate_every = 100\n";
    let config = Config::parse(text, &dir.join("grid.toml"))?;
    models.distill(config.clone(), |_| {}).await?;
    let embedder = models.embedder(qsef::DEFAULT_EMBEDDER).await?;
    let id = format!("intents-{place}");
    let listed: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
    let description = format!("Tells the intent of a request, one of: {}.", listed.join(", "));
    let exported =
        export(&config, Export { id, description, ..Export::default() }, &embedder, &out.join("experts")).await?;
    println!(
        "expert {place}: {} intents, {:.1} % right on requests of its own",
        names.len(),
        100.0 * exported.accuracy
    );
    Distilled::load(&exported.dir)
}

fn told(what: &str, te: &[f64], right: &[bool]) {
    let correct: Vec<f64> = right.iter().map(|right| f64::from(u8::from(*right))).collect();
    let Some(found) = spearman(te, &correct) else { return println!("{what}: nothing to correlate") };
    let (low, high) = found.interval;
    let share = 100.0 * correct.iter().sum::<f64>() / correct.len() as f64;
    println!(
        "{what}: {} pairs, {share:.1} % right, Spearman {:.3} [{low:.3}, {high:.3}], Brier {:.3}",
        te.len(),
        found.rho,
        brier(te, right)
    );
}

#[tokio::main]
async fn main() -> Result<()> {
    let (Some(data), Some(out)) = (std::env::args().nth(1), std::env::args().nth(2)) else {
        return Err(Error::Input("give the directory of CLINC150 and one for the experts".into()));
    };
    let (data, out) = (PathBuf::from(data), PathBuf::from(out));
    let learn = rows(&data.join("train_small.jsonl"), "train")?;
    let (valid, test) = (rows(&data.join("full.jsonl"), "val")?, rows(&data.join("full.jsonl"), "test")?);
    let names: BTreeSet<&str> = learn.iter().map(|row| row.label.as_str()).collect();
    let models = Models::open(|_| {})?;
    let mut experts = Vec::new();
    let mut known = Vec::new();
    for place in 0..EXPERTS {
        let own: Vec<&str> = names.iter().skip(place).step_by(EXPERTS).copied().collect();
        experts.push(train(&models, place, &own, [&learn, &valid, &test], &out).await?);
        known.push(own);
    }
    let embedder = models.embedder(qsef::DEFAULT_EMBEDDER).await?;
    let registry = Registry::new(embedder, experts.iter().cloned().map(AnyExpert::new).collect(), None).await?;
    let (mut te, mut right, mut at_home) = (Vec::new(), Vec::new(), Vec::new());
    let (mut best, mut any) = (0, 0);
    for row in &test {
        let scores = registry.score(&row.text).await?;
        let mut told = Vec::new();
        for (expert, known) in experts.iter().zip(&known) {
            let id = &expert.about().expert.id;
            let own = scores.iter().find(|score| score.expert == *id).map_or(0.0, |score| score.te);
            let is_right = expert.tell(&row.text)?.0 == row.label;
            te.push(own);
            right.push(is_right);
            at_home.push(known.contains(&row.label.as_str()));
            told.push((own, is_right));
        }
        any += usize::from(told.iter().any(|(_, right)| *right));
        best += usize::from(told.iter().max_by(|a, b| a.0.total_cmp(&b.0)).is_some_and(|(_, right)| *right));
    }
    told("all pairs", &te, &right);
    let own = |at_home: &[bool]| -> (Vec<f64>, Vec<bool>) {
        let pairs = te.iter().zip(&right).zip(at_home).filter(|(_, home)| **home);
        pairs.map(|((te, right), _)| (*te, *right)).unzip()
    };
    let (te, right) = own(&at_home);
    told("pairs whose intent the expert knows", &te, &right);
    let share = |count: usize| 100.0 * count as f64 / test.len().max(1) as f64;
    println!("routed to the highest TE: {:.1} % right; any of them right: {:.1} %", share(best), share(any));
    Ok(())
}
