//! Triples in and out, drawings, and names that mean the same.

#![allow(clippy::unwrap_used)] // helpers of tests are test code

mod support;

use std::fs;

use qsef_core::{AnyEmbedder, Error};
use qsef_knowledge::{AddOptions, Graph, KnowledgeBase, TripleFormat};
use support::add;

fn written(graph: &Graph, format: TripleFormat) -> String {
    let mut bytes = Vec::new();
    graph.write_triples(format, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

const TRIPLES: &str = "# what is known\ncat\tis_a\tmammal\nmammal\tis_a\tanimal\t0.5\n\nC++\tis_a\tlanguage\n\
                       “quoted\\name”\trelated_to\t知识图谱\nthe cats\tis_a\tmammals\n";

#[test]
fn triples_come_back_as_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tsv");
    fs::write(&path, TRIPLES).unwrap();
    let base = KnowledgeBase::in_memory().unwrap();
    let imported = base.import(&path, TripleFormat::Tsv).unwrap();
    assert_eq!((imported.triples, imported.relations, imported.skipped), (5, 4, 0));
    let graph = base.graph().unwrap();
    assert_eq!((graph.len(), graph.relations().count()), (7, 4));
    let tsv = written(&graph, TripleFormat::Tsv);
    assert!(tsv.contains("mammal\tis_a\tanimal\t0.5\n") && tsv.contains("C++\tis_a\tlanguage\t1\n"), "{tsv}");
    // Again: in place of what it said.
    let again = base.import(&path, TripleFormat::Tsv).unwrap();
    assert_eq!((again.relations, base.stats().unwrap().evidence), (4, 5));

    let nt = written(&graph, TripleFormat::NTriples);
    assert!(nt.contains("<urn:qsef:concept:C%2B%2B> <urn:qsef:relation:is_a> <urn:qsef:concept:language> ."), "{nt}");
    let path = dir.path().join("b.nt");
    fs::write(&path, &nt).unwrap();
    let other = KnowledgeBase::in_memory().unwrap();
    assert_eq!(other.import(&path, TripleFormat::of(&path).unwrap()).unwrap().relations, 4);
    assert_eq!(written(&other.graph().unwrap(), TripleFormat::NTriples), nt);
    // They go with the file that said it.
    other.remove(&path.canonicalize().unwrap().to_string_lossy()).unwrap();
    assert!(other.graph().unwrap().is_empty());
}

#[test]
fn vocabularies_of_the_web_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nt");
    let text = "<http://e.org/x#Cat> <http://www.w3.org/2000/01/rdf-schema#subClassOf> <http://e.org/x#Q42> .\n\
                <http://e.org/x#Q42> <http://www.w3.org/2000/01/rdf-schema#label> \"big \\u0063at\"@en .\n\
                _:b <http://e.org/eats> \"fish\" . # a comment\n";
    fs::write(&path, text).unwrap();
    let base = KnowledgeBase::in_memory().unwrap();
    base.import(&path, TripleFormat::NTriples).unwrap();
    let said = written(&base.graph().unwrap(), TripleFormat::Tsv);
    assert!(said.contains("Cat\tis_a\tbig cat\t1") && said.contains("eats\tfish"), "{said}");
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let base = KnowledgeBase::in_memory().unwrap();
    for (name, text, wanted) in [
        ("a.tsv", "a1\tb\tc1\na1\tb\n", ":2: 2 fields"),
        ("a.tsv", "cat\tis_a\tmammal\ncat\t\tdog\n", ":2 (relation): it is empty"),
        ("a.tsv", "cat\tis_a\tmammal\tsure\n", ":1 (confidence)"),
        ("a.tsv", "cat\tis_a\tmammal\t1.5\n", ":1 (confidence)"),
        ("b.nt", "<a:b> <a:c> <a:d> .\n<a:b> <a:c> .\n", ":2"),
        ("b.nt", "no triples\n", ":1"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let error = base.import(&path, TripleFormat::of(&path).unwrap()).unwrap_err();
        assert!(matches!(error, Error::File { .. }) && error.to_string().contains(wanted), "{wanted}: {error}");
    }
    let stats = base.stats().unwrap();
    assert_eq!((stats.sources, stats.concepts, stats.relations), (0, 0, 0));
    assert!(base.import(&dir.path().join("none.tsv"), TripleFormat::Tsv).unwrap_err().to_string().contains("no file"));
    let path = dir.path().join("c.tsv");
    fs::write(&path, "42\tis_a\tnumber\ncat\tis_a\tthe cats\n").unwrap();
    assert_eq!(base.import(&path, TripleFormat::Tsv).unwrap().skipped, 2);
}

#[tokio::test]
async fn a_neighbourhood_is_drawn() {
    let base = KnowledgeBase::in_memory().unwrap();
    let told = "A cat is a mammal. A dog is a mammal. A mammal is an animal. The cat uses the fur & <claws>.";
    base.add_text("told:1", told, &AddOptions::default()).await.unwrap();
    let graph = base.graph().unwrap();
    let around = graph.neighbourhood(graph.find("mammal").unwrap().id, 2, 20).unwrap();
    let (dot, mermaid, svg) = (around.to_dot(), around.to_mermaid(), around.to_svg());
    assert!(dot.contains("label=\"mammal\", penwidth=2") && dot.contains("-> n0 [label=\"is_a\"]"), "{dot}");
    assert!(mermaid.starts_with("graph LR") && mermaid.contains("[\"dog\"]"), "{mermaid}");
    assert_eq!(svg.matches("<g>").count(), around.concepts.len());
    assert!(svg.ends_with("</svg>\n") && !svg.contains("<script") && !svg.contains("NaN"), "{svg}");
}

#[tokio::test]
async fn names_that_mean_the_same_are_joined_and_come_apart_with_their_source() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.md"), "A colour-model is a standard. Transmission efficiency (TE) is a score.")
        .unwrap();
    fs::write(dir.path().join("b.md"), "A colourmodel is an agreement. TE is a probability.").unwrap();
    let base = KnowledgeBase::in_memory().unwrap();
    add(&base, dir.path()).await;
    // What a document says is the same is joined without more.
    let graph = base.graph().unwrap();
    let te = graph.find("TE").unwrap();
    assert_eq!(te.name, "Transmission efficiency");
    let kinds = |graph: &Graph, name: &str| {
        let neighbours = graph.neighbours(graph.find(name).unwrap().id);
        neighbours.iter().map(|n| graph.concept(n.concept).unwrap().name.clone()).collect::<Vec<_>>()
    };
    assert!(
        kinds(&graph, "TE").contains(&"probability".to_owned()) && kinds(&graph, "TE").contains(&"score".to_owned())
    );
    assert_eq!(kinds(&graph, "colour-model"), ["standard"]);

    struct Squeezed;
    impl qsef_core::Embedder for Squeezed {
        fn name(&self) -> &str {
            "squeezed"
        }
        fn dimensions(&self) -> usize {
            64
        }
        async fn embed(&self, texts: Vec<String>) -> qsef_core::Result<Vec<Vec<f32>>> {
            Ok(texts.iter().map(|t| support::direction(&t.replace('-', ""))).collect())
        }
    }
    let embedder = AnyEmbedder::new(Squeezed);
    let merged = base.merge(&embedder, &|_| ()).await.unwrap();
    assert_eq!(merged.merged, 1, "{merged:?}");
    let graph = base.graph().unwrap();
    assert_eq!(kinds(&graph, "colourmodel").len(), 2);
    assert_eq!(graph.names(graph.find("colourmodel").unwrap().id).len(), 2);
    assert_eq!(base.merge(&embedder, &|_| ()).await.unwrap().names, 0);
    // The one that told of it goes, and what it told goes with it.
    fs::remove_file(dir.path().join("a.md")).unwrap();
    add(&base, dir.path()).await;
    let graph = base.graph().unwrap();
    assert_eq!((kinds(&graph, "colourmodel").len(), graph.find("standard"), kinds(&graph, "TE").len()), (1, None, 1));
}
