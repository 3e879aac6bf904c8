//! Documents in a base: added, found, changed, removed.

mod support;

use std::fs;

use qsef_core::AnyEmbedder;
use qsef_knowledge::{AddOptions, KnowledgeBase, Mode, Place, SearchOptions};
use support::{Letters, add, direction, words};

#[tokio::test]
async fn what_is_added_is_found_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.md"), "# Fruit\n\nApples are red.\n\n## Citrus\n\nLemons are sour.\n").unwrap();
    fs::write(dir.path().join("b.txt"), "知识图谱描述概念之间的关系。\n\nSomething else.\n").unwrap();
    fs::write(dir.path().join("c.rs"), "/// Peels a fruit.\nfn peel_fruit() {}\n").unwrap();
    fs::write(dir.path().join("d.csv"), "name,taste\nQuince,tart\n").unwrap();
    fs::write(dir.path().join("e.html"), "<h1>Nuts</h1><script>walnut()</script><p>Almonds grow on trees.").unwrap();
    fs::write(dir.path().join("image.png"), b"\x89PNG\0\0").unwrap();
    let base = KnowledgeBase::open(dir.path().join("kb.sqlite3")).unwrap();
    let added = add(&base, dir.path()).await;
    assert_eq!((added.new, added.chunks, added.left.len()), (5, 6, 0), "{added:?}");
    let hit = &words(&base, "what is sour?")[0];
    assert!(hit.source.ends_with("a.md"));
    assert_eq!((hit.chunk.place, hit.chunk.heading.as_str()), (Place::Lines(7, 7), "Fruit › Citrus"));
    assert!(hit.citation().ends_with("a.md:7"));
    for (query, file) in
        [("图谱", "b.txt"), ("peelFruit", "c.rs"), ("quince taste", "d.csv"), ("almond", "e.html"), ("citrus", "a.md")]
    {
        assert!(words(&base, query)[0].source.ends_with(file), "{query}");
    }
    assert!(words(&base, "walnut").is_empty() && words(&base, "\" OR NEAR(").is_empty());
    let stats = base.stats().unwrap();
    assert_eq!((stats.sources, stats.documents, stats.chunks, stats.vectors), (5, 5, 6, 0));
}

#[tokio::test]
async fn only_what_changed_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("a.md"), "Alpha beta.").unwrap();
    fs::write(path("b.md"), "Gamma delta.").unwrap();
    fs::write(path("copy.md"), "Gamma delta.").unwrap();
    let base = KnowledgeBase::in_memory().unwrap();
    let added = add(&base, dir.path()).await;
    assert_eq!((added.new, added.duplicates, added.chunks), (2, 1, 2), "{added:?}");
    assert_eq!(base.stats().unwrap().sources, 3);
    let again = add(&base, dir.path()).await;
    assert_eq!((again.unchanged, again.new, again.chunks), (3, 0, 0), "{again:?}");

    fs::write(path("a.md"), "Epsilon zeta eta.").unwrap();
    fs::remove_file(path("b.md")).unwrap();
    let changed = add(&base, dir.path()).await;
    assert_eq!((changed.changed, changed.gone, changed.unchanged), (1, 1, 1), "{changed:?}");
    assert!(words(&base, "alpha").is_empty());
    assert_eq!(words(&base, "epsilon").len(), 1);
    // The copy keeps the content.
    assert!(words(&base, "gamma")[0].source.ends_with("copy.md"));

    let root = dir.path().canonicalize().unwrap();
    let removed = base.remove(&root.to_string_lossy()).unwrap();
    assert_eq!((removed.sources, removed.documents, removed.chunks), (2, 2, 2));
    let stats = base.stats().unwrap();
    assert_eq!((stats.chunks, stats.concepts, stats.relations, stats.evidence), (0, 0, 0, 0), "{stats:?}");
    assert!(base.remove("nothing").unwrap_err().to_string().contains("nothing"));
}

#[tokio::test]
async fn words_and_meaning_are_fused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.md", "The harbour master closes the gate at night."),
        ("b.md", "Ships enter through the harbour."),
        ("c.md", "Bread is baked early."),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let base = KnowledgeBase::in_memory().unwrap();
    let options = AddOptions { embedder: Some(AnyEmbedder::new(Letters)), ..AddOptions::default() };
    // Added without vectors first: they are made up for.
    add(&base, &dir.path().join("a.md")).await;
    let added = base.add(&[dir.path().to_owned()], &options, &|_| ()).await.unwrap();
    assert_eq!((added.new, added.embedded), (2, 3), "{added:?}");
    let vector = direction("ships harbour");
    let search = |mode| base.search("ships", &SearchOptions { limit: 3, mode, vector: Some(&vector) }).unwrap();
    let fused = search(Mode::Fused);
    assert!(fused[0].source.ends_with("b.md"));
    assert_eq!((fused[0].by_words, fused[0].by_meaning), (Some(1), Some(1)));
    assert!(search(Mode::Meaning).len() == 3 && search(Mode::Words).len() == 1);
    let found = base.find("ships", 1, options.embedder.as_ref()).await.unwrap();
    assert!(found[0].cosine.unwrap() > 0.3);
    let short = base.search("x", &SearchOptions { limit: 1, mode: Mode::Fused, vector: Some(&[1.0]) }).unwrap_err();
    assert!(short.to_string().contains("another embedder"), "{short}");
    assert_eq!(base.embedder().unwrap().as_deref(), Some("letters"));
}

#[tokio::test]
async fn a_text_that_is_in_no_file() {
    let base = KnowledgeBase::in_memory().unwrap();
    let options = AddOptions::default();
    base.add_text("answer:1", "Water boils at 100 degrees.", &options).await.unwrap();
    let added = base.add_text("answer:1", "Water freezes at 0 degrees.", &options).await.unwrap();
    assert_eq!(added.changed, 1);
    assert!(words(&base, "boils").is_empty());
    assert_eq!(words(&base, "freezes")[0].source, "answer:1");
    assert_eq!(base.remove("answer:1").unwrap().chunks, 1);
}
