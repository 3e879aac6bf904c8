//! A student as an expert: a directory with `config.json`, `tokenizer.json`, `model.safetensors` and `profile.toml`.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use qsef_candle::classifier::{CandleClassifier, CandleTagger};
use qsef_core::{AnyEmbedder, Error, ExpertProfile, Format, Result};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    coverage::Coverage,
    data::{DataSet, Task},
    model::read_labels,
    run::{RunResult, runs_of},
};

/// The file that makes a directory an expert.
pub const PROFILE: &str = "profile.toml";

/// Texts of each label that stand in the profile as examples of what the expert should get.
const EXAMPLES: usize = 1;
/// Texts whose time is measured.
const TIMED: usize = 200;
/// Of the validation rows, the share whose confidence the expert may fall short of before it declines.
const DECLINED: f64 = 0.03;

/// Which student becomes an expert, and under which name.
#[derive(Debug, Clone, Default)]
pub struct Export {
    /// Its mode; the one that is best on the validation rows where none is given.
    pub mode: Option<String>,
    /// Its seed; likewise.
    pub seed: Option<u64>,
    /// The expert's id.
    pub id: String,
    /// What it does.
    pub description: String,
}

/// What `profile.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it does with texts.
    #[serde(default)]
    pub task: Task,
    /// The expert's profile, as the registry has it.
    pub expert: ExpertProfile,
    /// When it declines.
    pub limits: Limits,
    /// What was measured of it.
    pub measured: Measured,
    /// Where its domain lies.
    pub domain: Domain,
    /// What it learnt from.
    pub coverage: Coverage,
}

/// When an expert declines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The least that it is sure of a text to answer, in [0, 1], as [`crate::coverage::KnownWords::sure`] has it.
    pub least_confidence: f32,
}

/// What was measured of an expert when it was exported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// On the test rows, nothing declined: the share whose class is right, or all of whose parts are.
    pub accuracy: f64,
    /// On the test rows.
    pub macro_f1: f64,
    /// On the test rows, where parts of texts are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_f1: Option<f64>,
    /// Test rows.
    pub test_rows: usize,
    /// Numbers in the model.
    pub params: usize,
    /// Median milliseconds of a request, on the machine that exported it.
    pub latency_ms: f64,
    /// US dollars a request.
    pub usd_per_request: f64,
}

/// Where an expert's domain lies among vectors of an embedder. It is for who compares experts: TE has the distance to each example, since the centre
/// of a broad domain says little (on CLINC150 it tells requests that are in scope with an AUROC of .79, the confidence with .93).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The embedder's name.
    pub embedder: String,
    /// The mean direction of the training texts, of unit length.
    pub centroid: Vec<f32>,
    /// Their mean cosine with it.
    pub mean_cosine: f64,
}

/// What was exported.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// Where it is.
    pub dir: PathBuf,
    /// The student's mode.
    pub mode: String,
    /// The student's seed.
    pub seed: u64,
    /// On the test rows.
    pub accuracy: f64,
    /// On the test rows, where parts of texts are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_f1: Option<f64>,
    /// Numbers in the model.
    pub params: usize,
    /// Median milliseconds of a request.
    pub latency_ms: f64,
    /// The least confidence with which it answers.
    pub least_confidence: f32,
}

impl Profile {
    /// Reads a directory's profile.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::File`] naming line and field.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(PROFILE);
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
        toml::from_str(&text).map_err(|e| Error::File {
            line: e.span().map(|span| text.get(..span.start).unwrap_or(&text).matches('\n').count() + 1),
            path,
            field: None,
            message: e.message().to_owned(),
        })
    }
}

/// The run that is wanted, of those that are done.
fn find(config: &Config, wanted: &Export) -> Result<(PathBuf, RunResult)> {
    let runs = config.out.join("runs");
    let read = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("result.json")).ok()?;
        Some((entry.path(), serde_json::from_str::<RunResult>(&text).ok()?))
    };
    let entries = std::fs::read_dir(&runs).map(|all| all.flatten().filter_map(read).collect::<Vec<_>>());
    let mut found = entries.unwrap_or_default();
    // Others are of earlier settings or rows.
    let ids = runs_of(config);
    found.retain(|(_, run)| {
        ids.contains(&run.id)
            && wanted.mode.as_ref().is_none_or(|mode| run.mode == *mode)
            && wanted.seed.is_none_or(|seed| run.seed == seed)
    });
    found.sort_by(|(a, one), (b, other)| one.valid.total_cmp(&other.valid).then(b.cmp(a)));
    found.pop().ok_or_else(|| {
        Error::Input(format!("there is no such run in {}: `qsef distill run` makes them", runs.display()))
    })
}

/// A student as it will run.
enum Student {
    Classifier(CandleClassifier),
    Tagger(CandleTagger),
}

impl Student {
    fn load(task: Task, id: &str, dir: &Path) -> Result<Self> {
        match task {
            Task::Classify => CandleClassifier::load(id, dir).map(Self::Classifier),
            Task::Extract => CandleTagger::load(id, dir).map(Self::Tagger),
        }
    }

    /// How sure it is of a text, in [0, 1].
    fn confidence(&self, text: &str) -> Result<f32> {
        match self {
            Self::Classifier(student) => {
                let found = student.classify(text)?;
                Ok(found.probabilities.get(found.class).copied().unwrap_or_default())
            }
            Self::Tagger(student) => Ok(student.extract(text)?.confidence),
        }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}

/// The mean of vectors, brought to unit length.
fn direction<'a>(vectors: impl Iterator<Item = &'a Vec<f32>>, width: usize) -> Vec<f32> {
    let mut sum = vec![0f32; width];
    vectors.for_each(|vector| sum.iter_mut().zip(vector).for_each(|(to, x)| *to += x));
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
    sum.iter_mut().for_each(|x| *x /= length);
    sum
}

/// Makes an expert of a student, in `into` under its id; one that is there already is replaced.
///
/// # Errors
/// [`Error::Input`] for an id that is no file name, and where there is no such run; those of files and of the embedder.
pub async fn export(config: &Config, wanted: Export, embedder: &AnyEmbedder, into: &Path) -> Result<Exported> {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if wanted.id.is_empty() || !wanted.id.chars().all(named) {
        return Err(Error::Input(format!("`{}` is no id: use letters, digits, - and _", wanted.id)));
    }
    let (from, run) = find(config, &wanted)?;
    let data = DataSet::read(config.task, &config.data, &config.valid, &config.test)?;
    if read_labels(&from)? != data.classes() {
        let message =
            format!("the rows have other labels than when {} was trained: run it again first", from.display());
        return Err(Error::Input(message));
    }
    let train = config.share(&data.train);
    let vectors = embedder.embed(train.texts.clone()).await?;
    let centroid = direction(vectors.iter(), embedder.dimensions());
    let mean_cosine =
        vectors.iter().map(|v| f64::from(cosine(v, &centroid))).sum::<f64>() / vectors.len().max(1) as f64;
    // Of each label the texts nearest to the middle of those that have it.
    let mut examples = Vec::new();
    for class in 0..data.labels.len() {
        let all = vectors.iter().zip(&train.texts).enumerate();
        let own: Vec<(&Vec<f32>, &String)> =
            all.filter(|(place, _)| train.has(*place, class)).map(|(_, both)| both).collect();
        let middle = direction(own.iter().map(|(v, _)| *v), embedder.dimensions());
        let mut near: Vec<(f32, &String)> = own.into_iter().map(|(v, text)| (cosine(v, &middle), text)).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let new = near.into_iter().map(|(_, text)| text).filter(|text| !examples.contains(*text));
        let new: Vec<String> = new.take(EXAMPLES).cloned().collect();
        examples.extend(new);
    }
    let student = Student::load(config.task, &wanted.id, &from)?;
    let coverage = Coverage::of(&train.texts, data.labels.len());
    let known = coverage.known();
    let mut confidence = Vec::new();
    let mut times = Vec::new();
    for text in &data.valid.texts {
        let began = Instant::now();
        let sure = known.sure(text, student.confidence(text)?);
        if times.len() < TIMED {
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        confidence.push(sure);
    }
    times.sort_by(f64::total_cmp);
    confidence.sort_by(f32::total_cmp);
    let latency_ms = times.get(times.len() / 2).copied().unwrap_or_default();
    let least_confidence = confidence.get((confidence.len() as f64 * DECLINED) as usize).copied().unwrap_or_default();
    let gives = match config.task {
        Task::Classify => Format::Text,
        Task::Extract => Format::Json,
    };
    let mut expert = ExpertProfile::new(&wanted.id, &wanted.description).examples(examples).gives([gives]);
    expert.params_b = Some(run.params as f64 / 1e9);
    let profile = Profile {
        task: config.task,
        expert,
        limits: Limits { least_confidence },
        measured: Measured {
            accuracy: run.accuracy,
            macro_f1: run.macro_f1,
            span_f1: run.span_f1,
            test_rows: data.test.len(),
            params: run.params,
            latency_ms,
            usd_per_request: 0.0,
        },
        domain: Domain { embedder: embedder.name().to_owned(), centroid, mean_cosine },
        coverage,
    };
    let text = toml::to_string(&profile).map_err(|e| Error::Internal(format!("the profile cannot be written: {e}")))?;
    let dir = into.join(&wanted.id);
    let [part, old] = ["part", "old"].map(|kind| into.join(format!(".{}.{kind}", wanted.id)));
    let put = || -> std::io::Result<()> {
        let _ = std::fs::remove_dir_all(&part);
        std::fs::create_dir_all(&part)?;
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            std::fs::copy(from.join(file), part.join(file))?;
        }
        std::fs::write(part.join(PROFILE), &text)?;
        // Who looks while this happens sees the old one, none, or the new one.
        let _ = std::fs::remove_dir_all(&old);
        if dir.exists() {
            std::fs::rename(&dir, &old)?;
        }
        std::fs::rename(&part, &dir)?;
        let _ = std::fs::remove_dir_all(&old);
        Ok(())
    };
    put().map_err(|e| Error::io("write", &dir, e))?;
    Ok(Exported {
        dir,
        mode: run.mode,
        seed: run.seed,
        accuracy: run.accuracy,
        span_f1: run.span_f1,
        params: run.params,
        latency_ms,
        least_confidence,
    })
}
