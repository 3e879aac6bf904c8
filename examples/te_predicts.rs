//! Whether transmission efficiency tells which trained expert will be right: CLINC150's intents are dealt to several small experts, each
//! trained on its own alone, and every test request is put to all of them.
//!
//!     cargo run --release -p qsef --example te_predicts -- ../shared/data/clinc150 out
//!
//! It prints Spearman's correlation of predicted TE with actual correctness over all (request, expert) pairs and over those whose intent the
//! expert knows, with 95 % intervals, and how often the expert with the highest TE is right: first by the profiles alone, then after as
//! many other requests as a hub recalls, of each of which only the expert that got it had an outcome.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use qsef::{
    AnyExpert, Distilled, Error, Models, Registry, Result,
    distill::{
        config::Config,
        export::{Export, export},
    },
    eval::{
        metrics::{brier, expected_calibration_error, spearman},
        read_jsonl,
    },
    ledger::HistoryRow,
    score::Score,
};
use serde::{Deserialize, Serialize};

/// Experts that share the intents.
const EXPERTS: usize = 5;

/// Requests whose outcomes the registry learns from, as many as a hub recalls.
const PAST: usize = 2000;

/// From one of them to the next in the file: a prime, so that none comes twice.
const STRIDE: usize = 7919;

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
        "{what}: {} pairs, {share:.1} % right, Spearman {:.3} [{low:.3}, {high:.3}], Brier {:.3}, ECE {:.3}",
        te.len(),
        found.rho,
        brier(te, right),
        expected_calibration_error(te, right, 15)
    );
}

/// An expert with the intents that it knows.
struct Trained<'a> {
    expert: Distilled,
    known: Vec<&'a str>,
}

/// Of each expert its score for a request, and whether its answer is right.
async fn put(registry: &Registry, trained: &[Trained<'_>], row: &Row) -> Result<Vec<(Score, bool)>> {
    let scores = registry.score(&row.text).await?;
    let of = |Trained { expert, .. }: &Trained<'_>| {
        let id = &expert.about().expert.id;
        let score = scores.iter().find(|score| score.expert == *id).cloned();
        let score = score.ok_or_else(|| Error::Internal(format!("`{id}` has no score")))?;
        Ok((score, expert.tell(&row.text)?.0 == row.label))
    };
    trained.iter().map(of).collect()
}

/// Who has the highest efficiency.
fn highest(told: &[(Score, bool)]) -> Option<&(Score, bool)> {
    told.iter().max_by(|(a, _), (b, _)| a.te.total_cmp(&b.te))
}

/// Puts every request to all experts, and prints how well TE told who would be right.
async fn judge(what: &str, registry: &Registry, trained: &[Trained<'_>], test: &[Row]) -> Result<()> {
    println!("{what}:");
    let (mut te, mut right, mut at_home) = (Vec::new(), Vec::new(), Vec::new());
    let (mut best, mut any) = (0, 0);
    for row in test {
        let told = put(registry, trained, row).await?;
        any += usize::from(told.iter().any(|(_, right)| *right));
        best += usize::from(highest(&told).is_some_and(|(_, right)| *right));
        at_home.extend(trained.iter().map(|expert| expert.known.contains(&row.label.as_str())));
        te.extend(told.iter().map(|(score, _)| score.te));
        right.extend(told.iter().map(|(_, right)| *right));
    }
    told("  all pairs", &te, &right);
    let home = te.iter().zip(&right).zip(&at_home).filter(|(_, home)| **home);
    let (te, right): (Vec<f64>, Vec<bool>) = home.map(|((te, right), _)| (*te, *right)).unzip();
    told("  pairs whose intent the expert knows", &te, &right);
    let share = |count: usize| 100.0 * count as f64 / test.len().max(1) as f64;
    println!("  routed to the highest TE: {:.1} % right; any of them right: {:.1} %", share(best), share(any));
    Ok(())
}

/// What a ledger would hold of requests: the outcome of the expert that has the highest TE, newest first.
async fn outcomes(registry: &Registry, trained: &[Trained<'_>], requests: &[&Row]) -> Result<Vec<HistoryRow>> {
    let mut rows = Vec::new();
    for (at, row) in requests.iter().enumerate() {
        let told = put(registry, trained, row).await?;
        let Some((score, right)) = highest(&told) else { continue };
        rows.push(HistoryRow {
            task: row.text.clone(),
            vector: registry.embedder().embed(vec![row.text.clone()]).await?.pop(),
            expert: score.expert.clone(),
            te: score.te,
            terms: serde_json::to_value(score).unwrap_or_default(),
            score: f64::from(u8::from(*right)),
            weight: 1.0,
            latency_ms: None,
            usd: None,
            tokens: None,
            at_ms: at as u64,
        });
    }
    rows.reverse();
    Ok(rows)
}

#[tokio::main]
async fn main() -> Result<()> {
    let (Some(data), Some(out)) = (std::env::args().nth(1), std::env::args().nth(2)) else {
        return Err(Error::Input("give the directory of CLINC150 and one for the experts".into()));
    };
    let (data, out) = (PathBuf::from(data), PathBuf::from(out));
    let learn = rows(&data.join("train_small.jsonl"), "train")?;
    let all = data.join("full.jsonl");
    let (valid, test) = (rows(&all, "val")?, rows(&all, "test")?);
    let names: BTreeSet<&str> = learn.iter().map(|row| row.label.as_str()).collect();
    let models = Models::open(|_| {})?;
    let mut trained = Vec::new();
    for place in 0..EXPERTS {
        let known: Vec<&str> = names.iter().skip(place).step_by(EXPERTS).copied().collect();
        let expert = train(&models, place, &known, [&learn, &valid, &test], &out).await?;
        trained.push(Trained { expert, known });
    }
    let embedder = models.embedder(qsef::DEFAULT_EMBEDDER).await?;
    let experts = trained.iter().map(|t| AnyExpert::new(t.expert.clone())).collect();
    let registry = Registry::new(embedder, experts, None).await?;
    judge("by the profiles alone", &registry, &trained, &test).await?;
    // The experts have seen none of these: the large file has other training rows besides the small one's.
    let seen: HashSet<&str> = learn.iter().map(|row| row.text.as_str()).collect();
    let fresh = rows(&all, "train")?;
    let fresh: Vec<&Row> = fresh.iter().filter(|row| !seen.contains(row.text.as_str())).collect();
    // The file has one intent after the other; requests come mixed.
    let mixed = (0..PAST.min(fresh.len())).map(|i| i * STRIDE % fresh.len());
    let fresh: Vec<&Row> = mixed.filter_map(|place| fresh.get(place).copied()).collect();
    let past = outcomes(&registry, &trained, &fresh).await?;
    registry.remember(&past);
    judge(&format!("after {} outcomes", past.len()), &registry, &trained, &test).await
}
