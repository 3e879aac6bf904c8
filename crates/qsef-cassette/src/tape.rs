use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use qsef_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Scrubber,
    diff::{difference, likeness},
    file::{File, Interaction, Subject},
    request::by_lines,
};

/// So many requests that do not fit are told; the rest is counted.
const MOST_TOLD: usize = 3;

/// What is recorded, or played back.
pub struct Tape {
    pub path: PathBuf,
    pub records: bool,
    scrubber: Scrubber,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: File,
    /// Played back: the interactions that came.
    came: Vec<bool>,
    /// Played back: requests that are not recorded, in words.
    strange: Vec<String>,
    /// Recorded: where each vector stands.
    places: HashMap<String, usize>,
}

impl Tape {
    pub fn new(path: PathBuf, records: bool, scrubber: Scrubber) -> Result<Self> {
        let file = if records { File::default() } else { File::load(&path)? };
        let came = vec![false; file.interactions.len()];
        Ok(Self { path, records, scrubber, state: Mutex::new(State { file, came, ..State::default() }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads or changes what is stored besides the interactions.
    pub fn file<T>(&self, work: impl FnOnce(&mut File, &Scrubber) -> T) -> T {
        work(&mut self.state().file, &self.scrubber)
    }

    /// A request as it is compared.
    fn told(&self, request: Value) -> Value {
        by_lines(self.scrubber.value(request))
    }

    /// Records that a request was made; its number.
    pub fn begin(&self, subject: Subject, request: Value) -> usize {
        let request = self.told(request);
        let interactions = &mut self.state().file.interactions;
        interactions.push(Interaction { subject, request, answer: Value::Null });
        interactions.len() - 1
    }

    /// Records what came of a request.
    pub fn end(&self, number: usize, answer: Value) {
        let answer = self.scrubber.value(answer);
        if let Some(interaction) = self.state().file.interactions.get_mut(number) {
            interaction.answer = answer;
        }
    }

    /// Records a vector; its place.
    pub fn place(&self, vector: String) -> usize {
        let State { file, places, .. } = &mut *self.state();
        *places.entry(vector).or_insert_with_key(|vector| {
            file.vectors.push(vector.clone());
            file.vectors.len() - 1
        })
    }

    /// The vector at a place.
    pub fn vector(&self, place: usize) -> Option<String> {
        self.state().file.vectors.get(place).cloned()
    }

    /// The recorded answer to such a request, whether it came already or not.
    pub fn peek(&self, subject: &Subject, request: Value) -> Option<Value> {
        let request = self.told(request);
        let state = self.state();
        let mut recorded = state.file.interactions.iter();
        recorded.find(|i| i.subject == *subject && i.request == request).map(|i| i.answer.clone())
    }

    /// The recorded answer to a request: that of the first one that says the same and did not come yet.
    pub fn play<T: DeserializeOwned>(&self, subject: &Subject, request: Value) -> Result<T> {
        serde_json::from_value(self.recorded(subject, request)?).map_err(|e| self.unreadable(subject, e))
    }

    /// An error about a recorded answer.
    pub fn unreadable(&self, subject: &Subject, why: impl std::fmt::Display) -> Error {
        Error::Input(format!("{}: an answer of {subject} cannot be read: {why}", self.path.display()))
    }

    fn recorded(&self, subject: &Subject, request: Value) -> Result<Value> {
        let request = self.told(request);
        let State { file, came, strange, .. } = &mut *self.state();
        let same = |i: &Interaction| i.subject == *subject && i.request == request;
        let mut recorded = file.interactions.iter().zip(came.iter_mut());
        if let Some((Interaction { answer, .. }, came)) = recorded.find(|(i, came)| !**came && same(i)) {
            *came = true;
            return match answer {
                Value::Null => {
                    Err(Error::Input(format!("nobody waited for this answer of {subject} when it was recorded")))
                }
                answer => Ok(answer.clone()),
            };
        }
        let problem = Self::unknown(file, came, subject, &request);
        let message = format!("{subject} is asked for what is not in {}: {problem}", self.path.display());
        strange.push(message.clone());
        Err(Error::Input(message))
    }

    /// How a request differs from what is recorded.
    fn unknown(file: &File, came: &[bool], subject: &Subject, request: &Value) -> String {
        let of_subject = || file.interactions.iter().zip(came).enumerate().filter(|(_, (i, _))| i.subject == *subject);
        let times = of_subject().filter(|(_, (i, _))| i.request == *request).count();
        if times > 0 {
            return format!("the same request came once more than the {times} recorded:\n{request:#}");
        }
        // One that is still to come is the likelier counterpart.
        let near = |came: bool, other: &Value| likeness(other, request) + if came { 0.0 } else { 0.1 };
        let nearest = of_subject()
            .map(|(number, (i, came))| (number, &i.request, near(*came, &i.request)))
            .max_by(|a, b| a.2.total_cmp(&b.2));
        match nearest {
            Some((number, recorded, _)) => {
                let difference = difference(recorded, request);
                format!("the nearest is interaction {} (- recorded, + now):\n{difference}", number + 1)
            }
            None => "it was never asked".into(),
        }
    }

    /// Writes what was recorded, or checks that all of it came, and nothing else.
    pub fn finish(&self) -> Result<()> {
        let state = self.state();
        if self.records {
            return state.file.save(&self.path);
        }
        let missing = state.file.interactions.iter().zip(&state.came).enumerate().filter(|(_, (_, came))| !**came);
        let missing: Vec<String> = missing
            .map(|(number, (i, _))| format!("interaction {} did not come: {}:\n{:#}", number + 1, i.subject, i.request))
            .collect();
        if state.strange.is_empty() && missing.is_empty() {
            return Ok(());
        }
        let mut message = format!("the run is not the one in {}", self.path.display());
        for problems in [&state.strange, &missing] {
            problems.iter().take(MOST_TOLD).for_each(|problem| message += &format!("\n- {problem}"));
            if problems.len() > MOST_TOLD {
                message += &format!("\n- and {} more", problems.len() - MOST_TOLD);
            }
        }
        message += "\nWhere the run is right as it is now, QSEF_CASSETTE=record records it anew.";
        Err(Error::Input(message))
    }
}
