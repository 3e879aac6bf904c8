//! A grid of training runs: `qsef distill run`.

mod grid;
mod prepare;
mod report;
mod results;
mod student;
mod teach;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use qsef_core::Result;

pub use grid::run;
pub(crate) use grid::runs_of;
pub use prepare::{TeacherResult, prepare_teacher};
pub use results::{Pair, Results, RunResult, Summary};

/// How far the work is.
#[derive(Debug, Clone)]
pub struct Event {
    /// What is being done.
    pub what: String,
    /// Steps or texts that are done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
    /// The newest figure, such as an accuracy.
    pub note: String,
}

/// Takes the answer to a text: a log-probability for each class.
pub type Said<'a> = dyn FnMut(Vec<f32>) -> Result<()> + 'a;

/// Asks a model of a name which of some classes each of some texts has; it says so in the texts' order. See [`crate::teacher::of_model`].
pub type Ask<'a> = dyn Fn(&str, &[String], &[String], &mut Said<'_>) -> Result<()> + 'a;

/// What a grid needs of who runs it.
pub struct Host<'a> {
    /// The directory of a model of the manifest, or of a path.
    pub resolve: &'a dyn Fn(&Path) -> Result<PathBuf>,
    /// Asks a language model.
    pub ask: &'a Ask<'a>,
    /// Hears how far the work is.
    pub on: &'a dyn Fn(&Event),
    /// Ends the work soon; what is done is kept, and the next run goes on from there.
    pub cancel: &'a AtomicBool,
}

impl Host<'_> {
    fn say(&self, what: &str, done: u64, total: u64, note: String) {
        (self.on)(&Event { what: what.to_owned(), done, total, note });
    }
}

/// A short name of what something was made of.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    fingerprint_bytes(parts.iter().flat_map(|part| part.bytes().chain([0])))
}

/// The same of numbers.
pub(crate) fn fingerprint_numbers<'a>(numbers: impl IntoIterator<Item = &'a f32>) -> String {
    fingerprint_bytes(numbers.into_iter().flat_map(|number| number.to_le_bytes()))
}

/// The same of bytes.
pub(crate) fn fingerprint_bytes(bytes: impl Iterator<Item = u8>) -> String {
    let (mut a, mut b) = (0u64, 1u64);
    // FNV-1a, twice from different starts.
    for byte in bytes {
        a = (a ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        b = (b ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(7);
    }
    format!("{:016x}", crate::random::mixed(&[a, b]))
}

#[cfg(test)]
mod tests;
