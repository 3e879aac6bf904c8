use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use candle_core::{Device, Tensor};
use qsef_candle::decoder::DecoderFile;
use qsef_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Decoder, Row, Rows, TuneSettings};
use crate::{
    compute::Compute,
    loss::task_loss,
    optim::{AdamW, Schedule},
    run::{Event, fingerprint, fingerprint_bytes},
    sample::Sampler,
    train::{Checkpoint, Running},
};

/// What is tuned, on what, into which directory.
#[derive(Debug, Clone)]
pub struct Tune {
    /// How.
    pub settings: TuneSettings,
    /// The GGUF file that it starts from.
    pub base: PathBuf,
    /// Conversations to learn; see [`Rows::read`].
    pub data: PathBuf,
    /// Conversations to choose by; without any, the last step's variables are the result.
    pub valid: Option<PathBuf>,
    /// Where the model, its log and its checkpoint go.
    pub out: PathBuf,
    /// Where it computes.
    pub device: Compute,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tuned {
    /// What it was made of.
    pub id: String,
    /// The model's file.
    pub model: PathBuf,
    /// Steps that were made.
    pub steps: u64,
    /// Rows that were learned from.
    pub rows: usize,
    /// Rows that were too long.
    pub left_out: usize,
    /// Numbers that stayed.
    pub params: usize,
    /// Numbers that were trained.
    pub trained: usize,
    /// Mean loss of a token of the validation rows' answers before, in nats.
    pub valid_before: Option<f64>,
    /// The same of the result.
    pub valid: Option<f64>,
    /// The step that had it.
    pub best_step: u64,
    /// Seconds of training.
    pub seconds: f64,
}

/// A line of the log.
#[derive(Debug, Clone, Serialize)]
struct Logged {
    step: u64,
    rate: f64,
    /// Mean loss of a token of the step's answers.
    loss: f64,
    gradient: f64,
    at_hand: f64,
    valid: Option<f64>,
}

/// How a student does on a row, as the curriculum generator reads it.
#[derive(Serialize)]
struct RowProgress<'a> {
    id: &'a str,
    loss: f32,
}

fn candle(e: candle_core::Error) -> Error {
    Error::Internal(format!("training failed: {e}"))
}

/// The loss of each token of a row's answer.
fn losses(model: &Decoder, row: &Row) -> candle_core::Result<Tensor> {
    let (places, answer) = row.answer();
    let labels = Tensor::from_slice(answer, (answer.len(), 1), model.params().device())?;
    task_loss(&model.logits(&row.tokens, &places)?, &labels, 0.0)
}

/// Trains adapters on a file's answers, and writes `model.gguf`, `log.jsonl`, `result.json` and `progress.jsonl` (how the student does on each
/// row that it saw, for `qsef curriculum generate --progress`) into the directory. What was interrupted goes on at its last checkpoint, bit
/// for bit; what is done is not done again.
///
/// # Errors
/// [`Error::Input`] for settings that cannot be and for a directory of another run, [`Error::File`] for rows that do not read,
/// [`Error::ModelFile`] for the base, [`Error::Model`] where a loss is no number (the last checkpoint stays), [`Error::Cancelled`],
/// [`Error::Io`] as where the disk is full.
pub fn tune(tune: &Tune, on: &dyn Fn(&Event), cancel: &AtomicBool) -> Result<Tuned> {
    tune.settings.check().map_err(|(field, message)| Error::Input(format!("{field}: {message}")))?;
    if tune.settings.patience.is_some() && tune.valid.is_none() {
        return Err(Error::Input("patience: without rows to validate on no gain can be missed".into()));
    }
    let id = tune.id()?;
    std::fs::create_dir_all(&tune.out).map_err(|e| Error::io("create", &tune.out, e))?;
    let (document, path) = (tune.out.join("result.json"), tune.out.join("model.gguf"));
    if let Ok(text) = std::fs::read_to_string(&document) {
        let done: Option<Tuned> = serde_json::from_str(&text).ok();
        return match done.filter(|done| done.id == id && path.is_file()) {
            // The directory may be called otherwise from here.
            Some(done) => Ok(Tuned { model: path, ..done }),
            None => Err(Error::Input(format!(
                "{} holds a model that was made of something else; choose another directory",
                tune.out.display()
            ))),
        };
    }
    let file = DecoderFile::open(&tune.base)?;
    let most = tune.settings.max_tokens.min(file.config().context);
    let rows = Rows::read(&tune.data, &file, most)?;
    let valid = tune.valid.as_deref().map(|path| Rows::read(path, &file, most)).transpose()?.unwrap_or_default();
    let tensor = |name: &str| if file.has(name) { file.tensor(name).map(Some) } else { Ok(None) };
    let (speeds, device) = (file.rope_speeds()?, tune.device.open()?);
    let TuneSettings { adapters, seed, .. } = tune.settings;
    let model = Decoder::new(file.config(), speeds, tensor, adapters, seed, &device)?;
    let work = Work { tune, model: &model, rows: &rows.rows, valid: &valid.rows, id: &id, on, cancel };
    let (state, sampler) = work.run()?;
    let name = format!("{} (tuned)", tune.base.file_stem().unwrap_or_default().to_string_lossy());
    file.write(&path, &name, &model.merged().map_err(candle)?)?;
    tune.write_progress(&rows.rows, &sampler)?;
    let tuned = Tuned {
        id,
        model: path,
        steps: state.step,
        rows: rows.rows.len(),
        left_out: rows.left_out,
        params: model.count(),
        trained: model.params().count(),
        valid_before: state.before,
        valid: state.best,
        best_step: state.best_step,
        seconds: state.seconds,
    };
    let text = serde_json::to_string_pretty(&tuned).map_err(|e| Error::Internal(e.to_string()))?;
    crate::files::write(&document, text.as_bytes())?;
    let _ = std::fs::remove_file(tune.checkpoint());
    Ok(tuned)
}

impl Tune {
    fn checkpoint(&self) -> PathBuf {
        self.out.join("checkpoint.safetensors")
    }

    /// What tells this run from others.
    fn id(&self) -> Result<String> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Error::Input(format!("there is no file {}", path.display())),
                _ => Error::io("read", path, e),
            })
        };
        let settings = serde_json::to_string(&self.settings).map_err(|e| Error::Internal(e.to_string()))?;
        let valid = self.valid.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(fingerprint(&[&settings, &self.named()?, &read(&self.data)?, &valid]))
    }

    /// A short name of the base: its file's, its length and its last tensors, since all that was tuned is called the same.
    fn named(&self) -> Result<String> {
        const LAST: u64 = 1 << 20;
        let failed = |e| Error::io("read", &self.base, e);
        let mut file = std::fs::File::open(&self.base).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST))).map_err(failed)?;
        let mut last = Vec::new();
        file.read_to_end(&mut last).map_err(failed)?;
        let name = self.base.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("{name} {length} {}", fingerprint_bytes(last.into_iter())))
    }

    /// How the student does on the rows that it saw.
    fn write_progress(&self, rows: &[Row], sampler: &Sampler) -> Result<()> {
        let seen = rows.iter().zip(sampler.current()).filter(|(_, loss)| loss.is_finite());
        let lines = seen.map(|(row, loss)| serde_json::to_string(&RowProgress { id: &row.id, loss: *loss }));
        let lines = lines.collect::<Result<Vec<_>, _>>().map_err(|e| Error::Internal(e.to_string()))?;
        crate::files::write(&self.out.join("progress.jsonl"), (lines.join("\n") + "\n").as_bytes())
    }
}

/// One training.
struct Work<'a> {
    tune: &'a Tune,
    model: &'a Decoder,
    rows: &'a [Row],
    valid: &'a [Row],
    id: &'a str,
    on: &'a dyn Fn(&Event),
    cancel: &'a AtomicBool,
}

/// How far a training is.
#[derive(Default)]
struct State {
    step: u64,
    before: Option<f64>,
    /// The best loss on the validation rows.
    best: Option<f64>,
    best_step: u64,
    values: HashMap<String, Tensor>,
    seconds: f64,
}

impl Work<'_> {
    /// Trains to the end; the model has the best variables then.
    fn run(&self) -> Result<(State, Sampler)> {
        let settings = &self.tune.settings;
        let params = self.model.params();
        let mut optimiser = AdamW::new(params, settings.optimiser).map_err(candle)?;
        let warm_up = (settings.steps as f64 * settings.warm_up) as u64;
        let schedule = Schedule { rate: settings.rate, warm_up, steps: settings.steps, decay: settings.decay };
        // The file goes from easy to hard.
        let difficulty: Vec<f32> = (0..self.rows.len()).map(|place| place as f32).collect();
        let mut sampler = Sampler::new(settings.sampling, &difficulty, settings.batch, settings.steps, settings.seed);
        let mut running = Running { params, optimiser: &mut optimiser, sampler: &mut sampler };
        let mut state = self.resumed(&mut running)?;
        let path = self.tune.out.join("log.jsonl");
        let unwritten = |e| Error::io("write", &path, e);
        let mut log = crate::files::log(&path, state.step)?;
        let began = Instant::now();
        let so_far = state.seconds;
        if state.step == 0 {
            state.before = self.validated()?;
            (state.best, state.values) = (state.before, params.values().map_err(candle)?);
        }
        let mut note = state.before.map_or(String::new(), |loss| format!("valid {loss:.3}"));
        let validates =
            |step: u64| step > 0 && (step.is_multiple_of(settings.validate_every) || step == settings.steps);
        // One that was cancelled is done first; one that was not says the same again.
        let mut due = validates(state.step);
        while due || state.step < settings.steps {
            let mut logged = None;
            if !due {
                let Some(step) = self.step(&mut running, &schedule, state.step)? else {
                    state.seconds = so_far + began.elapsed().as_secs_f64();
                    self.save(&running, &state)?;
                    return Err(Error::Cancelled);
                };
                state.step += 1;
                due = validates(state.step);
                logged = Some(step);
            }
            let found = if due { self.validated() } else { Ok(None) };
            if let Ok(Some(loss)) = found {
                note = format!("valid {loss:.3}");
                if state.best.is_none_or(|best| loss < best) {
                    (state.best, state.best_step) = (Some(loss), state.step);
                    state.values = params.values().map_err(candle)?;
                }
            }
            if let Some(logged) = &mut logged {
                logged.valid = found.as_ref().ok().copied().flatten();
                let line = serde_json::to_string(logged).map_err(|e| Error::Internal(e.to_string()))?;
                writeln!(log, "{line}").map_err(unwritten)?;
                self.say(&state, &format!("loss {:.3}{}{note}", logged.loss, if note.is_empty() { "" } else { ", " }));
            }
            if let Err(error) = found {
                state.seconds = so_far + began.elapsed().as_secs_f64();
                self.save(&running, &state)?;
                return Err(error);
            }
            let waited = state.step - state.best_step;
            if due && settings.patience.is_some_and(|most| waited >= most * settings.validate_every) {
                break;
            }
            if state.step.is_multiple_of(settings.checkpoint_every) && state.step < settings.steps {
                state.seconds = so_far + began.elapsed().as_secs_f64();
                self.save(&running, &state)?;
            }
            due = false;
        }
        state.seconds = so_far + began.elapsed().as_secs_f64();
        if self.valid.is_empty() {
            state.best_step = state.step;
        } else {
            params.set(&state.values).map_err(candle)?;
        }
        Ok((state, sampler))
    }

    /// One step: rows one after the other, each token of their answers counting the same. None where it is cancelled, which changes
    /// nothing.
    fn step(&self, running: &mut Running<'_>, schedule: &Schedule, step: u64) -> Result<Option<Logged>> {
        let Running { optimiser, sampler, .. } = running;
        let chosen = sampler.next(step);
        let rows: Vec<&Row> = chosen.iter().filter_map(|place| self.rows.get(*place)).collect();
        let tokens: usize = rows.iter().map(|row| row.tokens.len() - row.from).sum();
        let (mut sum, mut observed) = (0.0, Vec::new());
        for row in &rows {
            if self.cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let losses = losses(self.model, row).map_err(candle)?;
            let own = losses.sum_all().and_then(|sum| sum.to_scalar::<f32>()).map_err(candle)?;
            if !own.is_finite() {
                return Err(self.broken(step, &format!("the loss of `{}` is {own}", row.id)));
            }
            sum += f64::from(own);
            observed.push(own / (row.tokens.len() - row.from) as f32);
            // The optimiser takes the mean over the rows.
            let part = rows.len() as f64 / tokens.max(1) as f64;
            let grads = losses.sum_all().and_then(|sum| (sum * part)?.backward()).map_err(candle)?;
            optimiser.add(&grads).map_err(candle)?;
        }
        sampler.observe(&chosen, &observed);
        let rate = schedule.at(step);
        let gradient = optimiser.step(rate).map_err(candle)?;
        if !gradient.is_finite() {
            return Err(self.broken(step, "the gradient is no number"));
        }
        let at_hand = sampler.at_hand(step);
        Ok(Some(Logged { step: step + 1, rate, loss: sum / tokens.max(1) as f64, gradient, at_hand, valid: None }))
    }

    /// The mean loss of a token of the validation rows' answers; none without rows.
    fn validated(&self) -> Result<Option<f64>> {
        let (mut sum, mut count) = (0.0, 0);
        for row in self.valid {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let losses = losses(self.model, row).and_then(|losses| losses.to_vec1::<f32>()).map_err(candle)?;
            sum += losses.iter().map(|loss| f64::from(*loss)).sum::<f64>();
            count += losses.len();
        }
        Ok((count > 0).then(|| sum / count as f64))
    }

    fn say(&self, state: &State, note: &str) {
        let (done, total) = (state.step, self.tune.settings.steps);
        (self.on)(&Event { what: "training".into(), done, total, note: note.to_owned() });
    }

    fn broken(&self, step: u64, what: &str) -> Error {
        let checkpoint = self.tune.checkpoint();
        let kept = if checkpoint.exists() {
            format!("; the last checkpoint is {}", checkpoint.display())
        } else {
            String::new()
        };
        let message = format!("step {}: {what}; a lower rate may help{kept}", step + 1);
        Error::Model { model: format!("decoder of {} numbers", self.model.count()), message }
    }

    /// The state of the checkpoint, where there is one.
    fn resumed(&self, running: &mut Running<'_>) -> Result<State> {
        let Some(checkpoint) = Checkpoint::read(&self.tune.checkpoint(), self.id)? else { return Ok(State::default()) };
        running.set(&checkpoint).map_err(candle)?;
        let number = |name: &str| checkpoint.tensors.get(name)?.to_vec1::<f64>().ok()?.first().copied();
        Ok(State {
            step: checkpoint.step,
            before: number("before"),
            best: checkpoint.best.map(|best| -best),
            best_step: checkpoint.best_step,
            values: checkpoint.part("best."),
            seconds: checkpoint.seconds,
        })
    }

    fn save(&self, running: &Running<'_>, state: &State) -> Result<()> {
        let mut tensors = running.tensors(&state.values).map_err(candle)?;
        if let Some(before) = state.before {
            tensors.insert("before".into(), Tensor::new(&[before], &Device::Cpu).map_err(candle)?);
        }
        Checkpoint {
            run: self.id.to_owned(),
            step: state.step,
            optimiser_steps: running.optimiser.steps(),
            // More is better there.
            best: state.best.map(|loss| -loss),
            best_step: state.best_step,
            levels: Vec::new(),
            seconds: state.seconds,
            tensors,
        }
        .write(&self.tune.checkpoint())
    }
}
