use std::path::Path;

use qsef::{
    Error, Result,
    knowledge::{self, Concept, ConceptInfo, KnowledgeBase, Neighbourhood, TrainOptions},
};
use serde_json::{Value, json};

use super::{
    args::{Geometry, Graph, Learn},
    filled,
};
use crate::{
    End,
    screen::{self, BOLD, CYAN, DIM, harmless, note, styled},
};

pub fn run(args: Graph) -> Result<End> {
    let base = filled()?;
    let graph = base.graph()?;
    let middle = named(&graph, &args.concept)?;
    if let Some(to) = &args.to {
        return path(&graph, middle, named(&graph, to)?, args.json);
    }
    let around = graph
        .neighbourhood(middle.id, u32::from(args.hops), usize::from(args.limit))
        .ok_or_else(|| Error::Internal("the concept is not in its graph".into()))?;
    for (file, text) in [
        (&args.svg, Neighbourhood::to_svg as fn(&Neighbourhood) -> String),
        (&args.dot, Neighbourhood::to_dot),
        (&args.mermaid, Neighbourhood::to_mermaid),
    ] {
        if let Some(file) = file {
            write(file, &text(&around))?;
        }
    }
    if args.json {
        screen::json(&document(&base, &graph, middle, &around, args.sources)?)?;
        return Ok(End::Done);
    }
    let other: Vec<&str> = graph.names(middle.id).into_iter().filter(|n| *n != middle.name.to_lowercase()).collect();
    let also = if other.is_empty() { String::new() } else { format!("also: {}", other.join(", ")) };
    let kind = styled(DIM, format!("{}  {}", middle.kind, harmless(&also)));
    screen::print(&format!("{}  {kind}\n", styled(BOLD, harmless(&middle.name))));
    if args.sources {
        return sources(&base, &graph, middle.id);
    }
    tree(&around);
    if around.relations.is_empty() {
        note("it is named, but nothing is said of it");
    }
    if around.left_out > 0 {
        note(format!("{} more are within reach; --limit shows more", around.left_out));
    }
    Ok(End::Done)
}

/// The concept of this name; an error that shows names like it.
fn named<'a>(graph: &'a knowledge::Graph, name: &str) -> Result<&'a ConceptInfo> {
    graph.find(name).ok_or_else(|| {
        let similar: Vec<String> = graph.similar(name, 5).iter().map(|c| format!("`{}`", c.name)).collect();
        let advice = if similar.is_empty() {
            "`qsef kb search` finds it in the documents, if they have it".to_owned()
        } else {
            format!("there is {}", similar.join(", "))
        };
        Error::Input(harmless(&format!("the graph has no concept `{name}`; {advice}")))
    })
}

/// Draws what hangs on the middle, and below each what hangs on that; each relation once.
fn tree(around: &Neighbourhood) {
    branch(around, 0, 1, &mut vec![false; around.relations.len()]);
}

fn branch(around: &Neighbourhood, at: usize, depth: usize, drawn: &mut [bool]) {
    let mut lines: Vec<(usize, String, f32)> = Vec::new();
    for ((from, relation, to, confidence), drawn) in around.relations.iter().zip(drawn.iter_mut()) {
        let (other, arrow) = match () {
            () if *drawn => continue,
            () if *from == at => (*to, format!("{relation} →")),
            () if *to == at => (*from, format!("← {relation}")),
            () => continue,
        };
        *drawn = true;
        lines.push((other, arrow, *confidence));
    }
    lines.sort_by(|a, b| a.1.cmp(&b.1).then(b.2.total_cmp(&a.2)).then(a.0.cmp(&b.0)));
    for (other, arrow, confidence) in lines {
        let Some((concept, _)) = around.concepts.get(other) else { continue };
        let arrow = styled(CYAN, harmless(&arrow.replace('_', " ")));
        let sure = styled(DIM, format!("{confidence:.2}"));
        screen::print(&format!("{:indent$}{arrow} {}  {sure}\n", "", harmless(&concept.name), indent = 2 * depth));
        branch(around, other, depth + 1, drawn);
    }
}

fn sources(base: &KnowledgeBase, graph: &knowledge::Graph, id: Concept) -> Result<End> {
    for fact in base.facts(graph, id)? {
        let said = format!("{} {} {}", fact.subject, styled(CYAN, fact.relation.replace('_', " ")), fact.object);
        let from = styled(DIM, harmless(&format!("{:.2} by {}  {}", fact.confidence, fact.method, fact.citation)));
        screen::print(&format!("  {said}  {from}\n"));
    }
    Ok(End::Done)
}

fn document(
    base: &KnowledgeBase,
    graph: &knowledge::Graph,
    middle: &ConceptInfo,
    around: &Neighbourhood,
    sources: bool,
) -> Result<Value> {
    let name = |place: usize| around.concepts.get(place).map_or("", |(concept, _)| concept.name.as_str());
    let concept =
        |(concept, steps): &(ConceptInfo, u32)| json!({"name": concept.name, "kind": concept.kind, "steps": steps});
    let relation = |(from, relation, to, confidence): &(usize, String, usize, f32)| json!({"from": name(*from), "relation": relation, "to": name(*to), "confidence": confidence});
    let mut row = json!({
        "concept": middle.name,
        "names": graph.names(middle.id),
        "concepts": around.concepts.iter().map(concept).collect::<Vec<_>>(),
        "relations": around.relations.iter().map(relation).collect::<Vec<_>>(),
        "left_out": around.left_out,
    });
    if let Some(row) = row.as_object_mut().filter(|_| sources) {
        row.insert("facts".into(), json!(base.facts(graph, middle.id)?));
    }
    Ok(row)
}

fn path(graph: &knowledge::Graph, from: &ConceptInfo, to: &ConceptInfo, json: bool) -> Result<End> {
    let name = |id: Concept| graph.concept(id).map_or("", |concept| concept.name.as_str());
    let path = graph.path(from.id, to.id);
    let common = graph.common_ancestor(from.id, to.id);
    if json {
        let step = |s: &knowledge::Step| json!({"from": name(s.from), "relation": s.relation, "outward": s.outward, "to": name(s.to)});
        screen::json(&json!({
            "from": from.name, "to": to.name,
            "path": path.as_ref().map(|path| path.iter().map(step).collect::<Vec<_>>()),
            "common_ancestor": common.map(|c| json!({"concept": name(c.concept), "depth": c.depth, "from_a": c.from_a, "from_b": c.from_b})),
        }))?;
        return Ok(End::Done);
    }
    match path {
        None => note("nothing connects them"),
        Some(path) => {
            screen::print(&styled(BOLD, harmless(&from.name)));
            for step in path {
                let relation = step.relation.replace('_', " ");
                let arrow = if step.outward { format!(" {relation} → ") } else { format!(" ← {relation} ") };
                screen::print(&format!("{}{}", styled(CYAN, harmless(&arrow)), harmless(name(step.to))));
            }
            screen::print("\n");
        }
    }
    if let Some(common) = common {
        screen::print(&format!("above both: {}\n", harmless(name(common.concept))));
    }
    Ok(End::Done)
}

fn write(file: &Path, text: &str) -> Result<()> {
    if file.as_os_str() == "-" {
        screen::print(text);
        return Ok(());
    }
    std::fs::write(file, text).map_err(|e| Error::io("write", file, e))?;
    note(format!("wrote {}", file.display()));
    Ok(())
}

pub async fn learn(args: Learn) -> Result<End> {
    let base = filled()?;
    let geometry = match args.model {
        Geometry::Transe => knowledge::Geometry::TransE,
        Geometry::Rotate => knowledge::Geometry::RotatE,
    };
    let mut options = TrainOptions { seed: args.seed, ..TrainOptions::new(geometry) };
    if let Some(epochs) = args.epochs {
        options.epochs = epochs as usize;
    }
    let spinner = screen::spinner("learning");
    let learnt = tokio::task::spawn_blocking(move || base.learn_embeddings(&options)).await;
    screen::remove(&spinner);
    let learnt = learnt.map_err(|e| Error::Internal(format!("learning ended: {e}")))??;
    if args.json {
        screen::json(&learnt)?;
    } else {
        screen::print(&format!("{} concepts have places, by {} relations\n", learnt.concepts, learnt.relations));
    }
    Ok(End::Done)
}
