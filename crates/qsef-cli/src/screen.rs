//! What goes to the terminal. Answers and documents go to stdout; progress, plans and errors go to stderr. Colours are
//! dropped where NO_COLOR or a pipe asks for it.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io::{IsTerminal, Write},
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use qsef::models::{Phase, ProgressEvent};

pub const DIM: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();
pub const RED: Style = AnsiColor::Red.on_default().bold();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();

/// Text in a style.
pub fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A line without its styles where stderr is to have none.
pub fn for_stderr(line: String) -> String {
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(&line).to_string(),
        _ => line,
    }
}

/// What a model, an expert or a request wrote, without the characters that steer a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// The lines that move; drawn on stderr where it is a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How many lines move.
static MOVING: AtomicUsize = AtomicUsize::new(0);

/// Whether the answer has left the cursor in the middle of a line of the terminal.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// Ends the answer's line before something else is written: a moving line would wipe it out.
fn end_line() {
    if MID_LINE.swap(false, Ordering::Relaxed) {
        let _ = writeln!(std::io::stderr());
    }
}

/// Adds a moving line.
pub fn add(bar: ProgressBar) -> ProgressBar {
    end_line();
    MOVING.fetch_add(1, Ordering::Relaxed);
    BARS.add(bar)
}

/// Takes a moving line away.
pub fn remove(bar: &ProgressBar) {
    bar.finish_and_clear();
    BARS.remove(bar);
    MOVING.fetch_sub(1, Ordering::Relaxed);
}

/// A moving line that says what is being done.
pub fn spinner(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let bar = add(bar.with_message(what));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A bar over work in several steps, which [`step`] moves.
pub fn steps() -> ProgressBar {
    let template = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = add(ProgressBar::new(0).with_style(style));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Shows what is being done, how much of it is done, and of how much.
pub fn step(bar: &ProgressBar, what: &str, done: usize, total: usize) {
    if bar.message() != what {
        bar.set_message(what.to_owned());
        bar.reset_eta();
    }
    bar.set_length(total as u64);
    bar.set_position(done as u64);
}

/// A line on stderr.
pub fn note(line: impl Display) {
    // Nothing can be done where stderr is closed.
    BARS.suspend(|| {
        end_line();
        let _ = writeln!(anstream::stderr(), "{line}");
    });
}

/// A warning's line.
pub fn warning_line(text: impl Display) -> String {
    format!("{} {text}", styled(YELLOW, "warning:"))
}

/// A warning on stderr.
pub fn warning(text: impl Display) {
    note(warning_line(text));
}

/// An error on stderr.
pub fn error(text: &str) {
    note(format!("{} {text}", styled(RED, "error:")));
}

/// Text on stdout, at once; while lines move on the same terminal, whole lines only, for moving lines are drawn from the
/// cursor's line on. A reader that went away is no error.
pub fn print(text: &str) {
    static HELD: Mutex<String> = Mutex::new(String::new());
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.push_str(text);
    let is_terminal = std::io::stdout().is_terminal();
    let moving = is_terminal && MOVING.load(Ordering::Relaxed) > 0;
    let ready = if moving { held.rfind('\n').map_or(0, |at| at + 1) } else { held.len() };
    let text: String = held.drain(..ready).collect();
    if text.is_empty() {
        return;
    }
    let mut out = anstream::stdout();
    BARS.suspend(|| drop(out.write_all(text.as_bytes()).and_then(|()| out.flush())));
    MID_LINE.store(is_terminal && !text.ends_with('\n'), Ordering::Relaxed);
}

/// One JSON document on stdout.
pub fn json(value: &impl serde::Serialize) -> qsef::Result<()> {
    let text = serde_json::to_string(value).map_err(|e| qsef::Error::Internal(e.to_string()))?;
    print(&format!("{text}\n"));
    Ok(())
}

/// Shows how far the fetching of models is: a bar on a terminal, a line at the beginning and the end elsewhere.
#[derive(Default)]
pub struct Downloads {
    fetches: Mutex<BTreeMap<String, Fetch>>,
}

struct Fetch {
    bar: ProgressBar,
    /// Whether something is fetched, and not only checked.
    told: bool,
}

impl Downloads {
    pub fn update(&self, event: ProgressEvent) {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match &event.phase {
            Phase::Warning(text) => return warning(text),
            Phase::Waiting => "waiting for another qsef".to_owned(),
            Phase::Downloading { part, parts } if *parts > 1 => format!("fetching, {part} of {parts} parts"),
            Phase::Downloading { .. } => "fetching".to_owned(),
            Phase::Verifying => "checking".to_owned(),
            Phase::Assembling => "assembling".to_owned(),
            ended => {
                let Some(fetch) = fetches.remove(&event.model) else { return };
                remove(&fetch.bar);
                if fetch.told && *ended == Phase::Done {
                    note(format!("{} {} is ready", styled(GREEN, "✓"), event.model));
                }
                return;
            }
        };
        let fetch = fetches.entry(event.model.clone()).or_insert_with(|| {
            let template = "{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(event.total).with_style(style).with_prefix(event.model.clone());
            Fetch { bar: add(bar), told: false }
        });
        if matches!(event.phase, Phase::Downloading { .. }) && !std::mem::replace(&mut fetch.told, true) {
            note(styled(DIM, format!("fetching the model {} ({} MB)", event.model, event.total / 1_000_000)));
        }
        fetch.bar.set_length(event.total);
        fetch.bar.set_position(event.done);
        fetch.bar.set_message(text);
    }
}
