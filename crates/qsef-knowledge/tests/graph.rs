//! The semantic graph: what it answers, also where it goes round in circles.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are test code

mod support;

use std::fs;

use qsef_knowledge::{AddOptions, Geometry, Graph, KnowledgeBase, TrainOptions};
use qsef_score::distance::SemanticGraph;
use support::add;

async fn told(text: &str) -> KnowledgeBase {
    let base = KnowledgeBase::in_memory().unwrap();
    base.add_text("told:1", text, &AddOptions::default()).await.unwrap();
    base
}

const ANIMALS: &str = "A cat is a mammal. A dog is a mammal. A mammal is a vertebrate. An owl is a bird. A bird is a vertebrate. \
                       The tail is part of the cat. A lamp is a device.";

fn id(graph: &Graph, name: &str) -> u32 {
    graph.find(name).unwrap_or_else(|| panic!("no {name}")).id
}

#[tokio::test]
async fn paths_ancestors_and_parts() {
    let base = told(ANIMALS).await;
    let graph = base.graph().unwrap();
    let (cat, dog, owl, lamp, tail) =
        (id(&graph, "the Cats"), id(&graph, "dog"), id(&graph, "owl"), id(&graph, "lamp"), id(&graph, "tail"));
    let names = |ids: &[u32]| ids.iter().map(|i| graph.concept(*i).unwrap().name.clone()).collect::<Vec<_>>();
    let path = graph.path(cat, owl).unwrap();
    assert_eq!(names(&path.iter().map(|s| s.to).collect::<Vec<_>>()), ["mammal", "vertebrate", "bird", "owl"]);
    assert_eq!(path.iter().map(|s| s.outward).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(
        (Graph::path_length(&graph, cat, owl), graph.path(cat, lamp), graph.path(cat, cat)),
        (Some(4), None, Some(vec![]))
    );
    let common = graph.common_ancestor(cat, owl).unwrap();
    assert_eq!(
        (names(&[common.concept]), common.depth, common.from_a, common.from_b),
        (vec!["vertebrate".into()], 1, 2, 2)
    );
    let common = graph.common_ancestor(tail, dog).unwrap();
    assert_eq!((names(&[common.concept]), common.from_a, common.from_b), (vec!["mammal".into()], 2, 1));
    assert_eq!((graph.common_ancestor(cat, lamp), graph.depth(cat), graph.depth(lamp)), (None, Some(3), Some(2)));
    assert_eq!(graph.components(), [7, 2]);
    let around = graph.neighbourhood(cat, 1, 9).unwrap();
    assert_eq!((around.concepts.len(), around.relations.len(), around.left_out), (3, 2, 0));
    let near = graph.neighbourhood(cat, 3, 4).unwrap();
    assert!(near.concepts.len() == 4 && near.left_out > 0 && near.concepts[0].0.id == cat);
    assert_eq!(graph.neighbours(cat).len(), 2);
}

#[tokio::test]
async fn the_score_is_answered() {
    let base = told(ANIMALS).await;
    let graph = base.graph().unwrap();
    assert_eq!(graph.concepts("Do cats have tails? Dogs do.").len(), 3);
    let (cat, dog, owl) = (id(&graph, "cat"), id(&graph, "dog"), id(&graph, "owl"));
    assert_eq!(graph.ancestor_depths(cat, owl), Some((1, 3, 3)));
    assert_eq!(graph.ancestor_depths(cat, dog), Some((2, 3, 3)));
    assert_eq!(graph.embedding_distance(cat, dog), None);
    let options = TrainOptions { epochs: 50, dimensions: 16, batch: 4, ..TrainOptions::new(Geometry::RotatE) };
    let learnt = base.learn_embeddings(&options).unwrap();
    assert_eq!((learnt.concepts, learnt.relations), (9, 7));
    // The view follows the file.
    let graph = base.graph().unwrap();
    let distance = |a, b| graph.embedding_distance(a, b).unwrap();
    assert!((0.0..=1.0).contains(&distance(cat, owl)) && distance(cat, cat) < 1e-3);
    assert!(distance(cat, dog) < distance(cat, owl), "{} {}", distance(cat, dog), distance(cat, owl));
}

#[tokio::test]
async fn circles_have_an_end() {
    let base =
        told("An alpha is a beta. A beta is a gamma. A gamma is an alpha. A delta is a gamma. An omega is an omega.")
            .await;
    let graph = base.graph().unwrap();
    let (alpha, gamma, delta) = (id(&graph, "alpha"), id(&graph, "gamma"), id(&graph, "delta"));
    assert!(graph.depth(delta) > graph.depth(alpha).map(|_| 0));
    let common = graph.common_ancestor(alpha, delta).unwrap();
    assert!(common.from_a <= 2 && common.from_b <= 3 && common.concept != delta);
    assert_eq!(Graph::path_length(&graph, delta, alpha), Some(2));
    assert!(graph.neighbourhood(gamma, 1_000_000, 1_000_000).unwrap().concepts.len() == 4);
}

#[tokio::test]
async fn what_is_known_goes_with_who_said_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.md"), "A cat is a mammal. A cat is a pet.").unwrap();
    fs::write(dir.path().join("b.md"), "Know that a cat is a mammal.").unwrap();
    let base = KnowledgeBase::open(dir.path().join("kb.sqlite3")).unwrap();
    add(&base, dir.path()).await;
    let graph = base.graph().unwrap();
    let sure = |graph: &Graph, kind: &str| {
        let found = graph.relations().find(|(_, _, object, _)| object.name == kind);
        found.map(|(_, _, _, confidence)| confidence)
    };
    let facts = base.facts(&graph, id(&graph, "cat")).unwrap();
    let root = dir.path().canonicalize().unwrap();
    assert_eq!(facts.len(), 3);
    assert!(facts.iter().all(|f| f.method == "rules" && f.citation.starts_with(&*root.to_string_lossy())), "{facts:?}");
    assert!(facts.iter().any(|f| f.object == "pet" && f.citation.ends_with("a.md:1")));
    // Two say so.
    assert!(sure(&graph, "mammal").unwrap() > sure(&graph, "pet").unwrap());
    fs::remove_file(dir.path().join("a.md")).unwrap();
    add(&base, dir.path()).await;
    let graph = base.graph().unwrap();
    assert_eq!((sure(&graph, "mammal").is_some(), sure(&graph, "pet"), graph.len()), (true, None, 2));
    base.remove(&dir.path().canonicalize().unwrap().to_string_lossy()).unwrap();
    assert!(base.graph().unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_graph_answers_nothing() {
    let base = KnowledgeBase::in_memory().unwrap();
    let graph = base.graph().unwrap();
    assert!(graph.is_empty() && graph.find("x").is_none() && graph.concepts("a b c").is_empty());
    assert_eq!(
        (Graph::path_length(&graph, 1, 2), graph.common_ancestor(1, 2), graph.neighbourhood(1, 2, 3)),
        (None, None, None)
    );
    let error = base.learn_embeddings(&TrainOptions::new(Geometry::TransE)).unwrap_err();
    assert!(error.to_string().contains("no relations"), "{error}");
}
