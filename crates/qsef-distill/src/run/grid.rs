use std::{path::Path, sync::atomic::Ordering, time::Instant};

use qsef_core::{Error, Result};

use super::{
    Host, Results, RunResult, fingerprint, report,
    student::{Class, Start, Texts, resistances},
    teach::{Question, has_layers, teach},
};
use crate::{config::Config, data::DataSet, teacher::Keep, train::Predictions};

/// The ids of a grid's runs.
const RUNS: &str = "runs.json";

/// The ids of the runs of the grid that was run last in a configuration's `out`; none where none was.
pub(crate) fn runs_of(config: &Config) -> Vec<String> {
    let text = std::fs::read_to_string(config.out.join(RUNS)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A run that is done, with its log.
fn read_result(path: &Path, id: &str) -> Option<RunResult> {
    let result: RunResult = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    (result.id == id).then_some(result)
}

/// Does all runs of a grid that are not done yet, and sums all up. `report.html` is written into the configuration's `out`.
///
/// # Errors
/// [`Error::Cancelled`], after which the same call goes on where this one stopped; those of files, models and training.
pub fn run(config: &Config, host: &Host<'_>) -> Result<Results> {
    let began = Instant::now();
    let device = config.device.open()?;
    let data = DataSet::read(config.task, &config.data, &config.valid, &config.test)?;
    let rows = config.share(&data.train);
    let modes = config.modes()?;
    let mut texts = Texts::new(config, &data, &rows, modes.iter().any(|mode| mode.augment > 0.0), host)?;
    let start = Start::new(config, &texts, &device, host)?;
    let all = data.encode(&start.words, &texts.rows.texts())?;
    let pairs = modes.iter().filter(|m| m.loss.needs_states()).flat_map(|m| m.loss.layers.iter());
    has_layers(&config.path, "student", start.layers(), pairs.clone().map(|(layer, _)| *layer))?;
    let mut layers: Vec<usize> = pairs.map(|(_, of)| *of).collect();
    layers.sort_unstable();
    layers.dedup();
    let keep = Keep {
        tokens: modes.iter().any(|mode| mode.loss.tokens && mode.loss.align > 0.0),
        maps: modes.iter().any(|mode| mode.loss.maps > 0.0),
    };
    let question =
        Question { texts: &texts.rows.texts, tokens: &all, layers, config: &config.path, keep, device: &device };
    let dir = config.out.join("teacher");
    let mut taught = match &config.teacher {
        Some(teacher) => Some(teach(teacher, &data, config.max_tokens, &dir, &question, host)?),
        None => None,
    };
    let encode = |rows| data.encode_to_judge(&start.words, rows);
    let (valid, test) = (encode(&data.valid)?, encode(&data.test)?);
    if let Some(taught) = &mut taught {
        texts.of_teacher = taught.train.answers();
        let logits = taught.train.logits.get(..rows.len()).unwrap_or_default().to_vec();
        let said = Predictions { logits, vectors: Vec::new() };
        taught.result.train = Some(data.judge(&rows, &all, &said).measure);
        taught.result.valid = taught.valid.as_ref().map(|said| data.judge(&data.valid, &valid, said).measure);
    }
    let resistance = resistances(&data, &texts, &all, taught.as_ref());
    let class = Class {
        config,
        data: &data,
        texts: &texts,
        tokens: &all,
        valid: &valid,
        test: &test,
        start: &start,
        taught: taught.as_ref(),
        resistance: &resistance,
    };
    let json = |value: serde_json::Result<String>| value.map_err(|e| Error::Internal(e.to_string()));
    let shared = fingerprint(&[
        &json(serde_json::to_string(&(config.task, &config.student, &config.train, &config.teacher, &config.augment)))?,
        &data.labels.join("\0"),
        &start.named()?,
        taught.as_ref().map_or("", |taught| &taught.of),
        // With their variants, whose words all students know.
        &format!("{}{}", texts.rows.named(), config.max_tokens),
        &format!("{}{}", data.valid.named(), data.test.named()),
    ]);
    // Seeds first: what is interrupted has all modes on some seeds.
    let mut planned = Vec::new();
    for seed in config.seeds.get_ref() {
        for mode in &modes {
            let id = fingerprint(&[&shared, &json(serde_json::to_string(mode))?, &seed.to_string()]);
            planned.push((mode, *seed, id));
        }
    }
    std::fs::create_dir_all(&config.out).map_err(|e| Error::io("create", &config.out, e))?;
    // Which of the runs that are there are this grid's.
    let ids: Vec<&str> = planned.iter().map(|(_, _, id)| id.as_str()).collect();
    crate::files::write(&config.out.join(RUNS), json(serde_json::to_string(&ids))?.as_bytes())?;
    let mut runs = Vec::new();
    for (mode, seed, id) in &planned {
        if host.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        let dir = config.out.join("runs").join(format!("{}-{seed}", mode.name.replace('=', "_")));
        std::fs::create_dir_all(&dir).map_err(|e| Error::io("create", &dir, e))?;
        let document = dir.join("result.json");
        if let Some(result) = read_result(&document, id) {
            runs.push(result);
            continue;
        }
        let place = format!("{}/{}", runs.len() + 1, planned.len());
        let result = class.run(mode, *seed, id, &dir, host, &place)?;
        crate::files::write(&document, json(serde_json::to_string(&result))?.as_bytes())?;
        let _ = std::fs::remove_file(dir.join("checkpoint.safetensors"));
        runs.push(result);
    }
    let results = Results::new(config.task, taught.map(|taught| taught.result), runs, began.elapsed().as_secs_f64());
    report::write(&config.out.join("report.html"), &config.out.join("runs"), &results)?;
    Ok(results)
}
