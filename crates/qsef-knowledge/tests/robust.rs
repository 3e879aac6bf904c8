//! What must not break a base: files that are no documents, processes that are killed, and several of them at once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // helpers of tests are test code

mod support;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use qsef_core::Error;
use qsef_knowledge::{AddOptions, KnowledgeBase, MAX_BYTES, Progress};
use support::{add, words};

#[tokio::test]
async fn files_that_are_no_documents_are_left_out_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(
        path("noise.txt"),
        (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect::<Vec<_>>(),
    )
    .unwrap();
    fs::write(path("program.md"), b"\x7fELF\x02\x01\x01\0\0\0\0").unwrap();
    fs::write(path("broken.jsonl"), "{\"a\": 1}\n{\"a\": \n").unwrap();
    fs::write(path("broken.pdf"), "%PDF-1.7\n1 0 obj\n<< /Type").unwrap();
    fs::File::create(path("huge.txt")).unwrap().set_len(1 << 30).unwrap();
    let (gbk, _, _) = encoding_rs::GBK.encode("知识图谱是一种用图模型来描述知识和建模世界万物之间关联关系的技术方法。");
    fs::write(path("gbk.txt"), &gbk).unwrap();
    fs::write(path("latin.txt"), b"Un caf\xe9 au lait, d\xe9j\xe0 vu, na\xefve.").unwrap();
    fs::write(path("cut.txt"), &"知识图谱 ".repeat(20).as_bytes()[..100]).unwrap();
    fs::write(path("empty.md"), "").unwrap();
    let base = KnowledgeBase::open(path("kb.sqlite3")).unwrap();
    let began = Instant::now();
    let added = add(&base, dir.path()).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    let why = |name: &str| {
        let left = added.left.iter().find(|l| l.path.ends_with(name));
        left.map(|l| l.why.clone()).unwrap_or_default()
    };
    assert!(why("noise.txt").contains("binary") && why("program.md").contains("binary"), "{added:?}");
    assert!(why("broken.jsonl").contains("line 2") && why("broken.pdf").contains("damaged"), "{added:?}");
    assert!(why("huge.txt").contains("1024 MiB") && why("huge.txt").contains(&(MAX_BYTES >> 20).to_string()));
    assert_eq!((added.new, added.left.len()), (4, 5), "{added:?}");
    for (query, file) in [("建模", "gbk.txt"), ("déjà", "latin.txt"), ("图谱", "cut.txt")] {
        assert!(words(&base, query).iter().any(|hit| hit.source.ends_with(file)), "{query}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_walk_stays_where_it_was_sent_and_ends() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.md"), "The password is swordfish.").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("a.md"), "An inner note.").unwrap();
    std::os::unix::fs::symlink(dir.path(), inner.join("loop")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inner.join("out")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.md"), inner.join("link.md")).unwrap();
    std::os::unix::fs::symlink(inner.join("nowhere"), inner.join("broken.md")).unwrap();
    let status = Command::new("mkfifo").arg(inner.join("pipe.md")).status().unwrap();
    assert!(status.success());
    let base = KnowledgeBase::in_memory().unwrap();
    let added = add(&base, dir.path()).await;
    assert_eq!((added.new, added.left.len()), (1, 0), "{added:?}");
    assert!(words(&base, "swordfish").is_empty());
    // A link that is named itself is followed, and its target is what is cited.
    add(&base, &inner.join("link.md")).await;
    let root = outside.path().canonicalize().unwrap();
    assert_eq!(words(&base, "swordfish")[0].source, root.join("secret.md").to_string_lossy());
    for (path, message) in
        [(inner.join("pipe.md"), "neither a file nor a directory"), (dir.path().join("x"), "no file or directory")]
    {
        let error = base.add(&[path], &AddOptions::default(), &|_| ()).await.unwrap_err();
        assert!(matches!(error, Error::Input(_)) && error.to_string().contains(message), "{error}");
    }
}

#[test]
fn other_files_are_not_taken_for_a_base() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sqlite3");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(KnowledgeBase::open(&path).unwrap_err().to_string().contains("another program's"));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(dir.path().join("text"), "no database at all, but long enough to be looked at ".repeat(99)).unwrap();
    assert!(matches!(KnowledgeBase::open(dir.path().join("text")).unwrap_err(), Error::File { .. }));
    let newer = dir.path().join("newer.sqlite3");
    drop(KnowledgeBase::open(&newer).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(KnowledgeBase::open(&newer).unwrap_err().to_string().contains("update qsef"));
}

const CHILD: &str = "QSEF_KNOWLEDGE_TEST_CHILD";

/// Starts this test binary again as a process that adds a directory to a base.
fn child(base: &Path, documents: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adds_for_the_tests_of_several_processes", "--nocapture"])
        .env(CHILD, format!("{}\n{}", base.display(), documents.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// No test of its own: what the children do.
#[test]
fn adds_for_the_tests_of_several_processes() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let (base, documents) = order.split_once('\n').unwrap();
    let base = KnowledgeBase::open(base).unwrap();
    let tell = |progress: Progress| {
        if let Progress::Done { files, .. } = progress {
            println!("written {files}");
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let added = runtime.block_on(base.add(&[documents.into()], &AddOptions::default(), &tell)).unwrap();
    println!("added {}", added.new);
}

/// Documents of several pieces each, all different.
fn documents(dir: &Path, count: usize) {
    fs::create_dir_all(dir).unwrap();
    for n in 0..count {
        let parts: String =
            (0..10).map(|p| format!("## Part {p} of {n}\n\nThe item{n}x{p} is a thing of document {n}.\n\n")).collect();
        fs::write(dir.join(format!("{n:04}.md")), parts).unwrap();
    }
}

/// Every document is there as a whole or not at all, and the index agrees with the pieces.
fn check(path: &Path) -> usize {
    let connection = rusqlite::Connection::open(path).unwrap();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let text: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(text, "ok");
    let documents = number("SELECT count(*) FROM documents");
    assert_eq!(number("SELECT count(*) FROM chunks"), 10 * documents);
    assert_eq!(number("SELECT count(*) FROM words"), 10 * documents);
    assert_eq!(number("SELECT count(*) FROM sources"), documents);
    assert_eq!(
        number("SELECT count(*) FROM evidence e WHERE NOT EXISTS (SELECT 1 FROM relations r WHERE r.id = e.relation)"),
        0
    );
    documents as usize
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_that_was_written_and_the_next_does_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (path, texts) = (dir.path().join("kb.sqlite3"), dir.path().join("texts"));
    documents(&texts, 1500);
    let mut before = 0;
    for round in 0..5 {
        let mut child = child(&path, &texts);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut written = lines.filter_map(|line| line.strip_prefix("written ")?.parse::<usize>().ok());
        let told = written.by_ref().find(|n| *n > before);
        std::thread::sleep(Duration::from_millis(7 * round));
        // SIGKILL, in the middle of its work.
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        drop(KnowledgeBase::open(&path).unwrap());
        let there = check(&path);
        assert!(there >= told.unwrap() && there >= before, "{there} of {told:?}");
        assert!(there < 1500, "killed too late to show anything");
        before = there;
    }
    let base = KnowledgeBase::open(&path).unwrap();
    let added = add(&base, &texts).await;
    assert_eq!((added.unchanged, added.new, check(&path)), (before, 1500 - before, 1500));
    assert_eq!(words(&base, "item1499x9").len(), 1);
}

#[test]
fn two_processes_write_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kb.sqlite3");
    let texts = [dir.path().join("a"), dir.path().join("b")];
    documents(&texts[0], 300);
    documents(&texts[1], 600);
    // 0 to 299 have the same content in both.
    let children = texts.each_ref().map(|texts| child(&path, texts));
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let base = KnowledgeBase::open(&path).unwrap();
    let stats = base.stats().unwrap();
    assert_eq!((stats.sources, stats.documents, stats.chunks), (900, 600, 6000));
    assert_eq!(words(&base, "item17x3").len(), 1);
}

#[tokio::test]
async fn adding_that_is_dropped_ends_and_keeps_what_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let texts = dir.path().join("texts");
    documents(&texts, 1500);
    let path = dir.path().join("kb.sqlite3");
    let base = KnowledgeBase::open(&path).unwrap();
    {
        let (written, mut first) = tokio::sync::mpsc::unbounded_channel();
        let tell = move |progress| {
            if matches!(progress, Progress::Done { .. }) {
                let _ = written.send(());
            }
        };
        let (paths, options) = ([texts.clone()], AddOptions::default());
        tokio::select! {
            done = base.add(&paths, &options, &tell) => panic!("ended too soon: {done:?}"),
            _ = first.recv() => {}
        }
    }
    let there = check(&path);
    assert!(there > 0 && there < 1500, "{there}");
    // What was dropped does not go on.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let later = check(&path);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(check(&path), later);
    add(&base, &texts).await;
    assert_eq!(check(&path), 1500);
}
