//! Triples as N-Triples.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, BufRead, Write},
};

use oxttl::{NTriplesParser, TurtleParseError};

use super::{Fault, Row};
use crate::{
    extract::{IS_A, PART_OF, SAME_AS},
    graph::Graph,
};

const CONCEPT: &str = "urn:qsef:concept:";
const RELATION: &str = "urn:qsef:relation:";
const LABEL: &str = "http://www.w3.org/2000/01/rdf-schema#label";

/// Properties of the vocabularies that hierarchies are written in, and what they are here.
const KNOWN: &[(&str, &str)] = &[
    ("http://www.w3.org/2000/01/rdf-schema#subClassOf", IS_A),
    ("http://www.w3.org/1999/02/22-rdf-syntax-ns#type", IS_A),
    ("http://www.w3.org/2004/02/skos/core#broader", IS_A),
    ("http://purl.org/dc/terms/isPartOf", PART_OF),
    ("http://www.w3.org/2002/07/owl#sameAs", SAME_AS),
    ("http://www.w3.org/2004/02/skos/core#exactMatch", SAME_AS),
    ("http://www.w3.org/2004/02/skos/core#altLabel", SAME_AS),
];

/// Properties that give a resource its name.
const NAMES: &[&str] = &[LABEL, "http://www.w3.org/2004/02/skos/core#prefLabel"];

pub(super) fn write(graph: &Graph, to: &mut dyn Write) -> io::Result<()> {
    for concept in graph.all() {
        writeln!(to, "<{CONCEPT}{}> <{LABEL}> \"{}\" .", encoded(&concept.name), escaped(&concept.name))?;
    }
    for (subject, relation, object, _) in graph.relations() {
        let (subject, relation, object) = (encoded(&subject.name), encoded(relation), encoded(&object.name));
        writeln!(to, "<{CONCEPT}{subject}> <{RELATION}{relation}> <{CONCEPT}{object}> .")?;
    }
    Ok(())
}

/// A name as a part of an IRI: all but letters, digits and a few marks as `%XX`.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') {
            text.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The last part of an IRI, which is a name as a rule.
fn local(iri: &str) -> String {
    let last = iri.trim_end_matches(['/', '#']).rsplit(['/', '#', ':']).next().unwrap_or(iri);
    decoded(last)
}

/// What a resource is called before labels are known.
enum Node {
    Resource(String),
    Text(String),
}

/// Reads rows until `put` does not want more. All labels are read before the first row is put.
pub(super) fn read(from: impl BufRead, mut put: impl FnMut(Row) -> bool) -> Result<(), Fault> {
    let (mut labels, mut rows) = (HashMap::new(), Vec::new());
    for triple in NTriplesParser::new().for_reader(from) {
        let triple = triple.map_err(fault)?;
        let subject = match triple.subject {
            oxrdf::NamedOrBlankNode::NamedNode(node) => node.into_string(),
            oxrdf::NamedOrBlankNode::BlankNode(node) => node.into_string(),
        };
        let object = match triple.object {
            oxrdf::Term::NamedNode(node) => Node::Resource(node.into_string()),
            oxrdf::Term::BlankNode(node) => Node::Resource(node.into_string()),
            oxrdf::Term::Literal(literal) => Node::Text(literal.value().to_owned()),
        };
        let predicate = triple.predicate.as_str();
        match object {
            Node::Text(label) if NAMES.contains(&predicate) => {
                labels.entry(subject).or_insert(label);
            }
            object => rows.push((subject, relation(predicate), object)),
        }
    }
    let name = |iri: String| labels.get(&iri).cloned().unwrap_or_else(|| local(&iri));
    for (subject, relation, object) in rows {
        let object = match object {
            Node::Resource(iri) => name(iri),
            Node::Text(text) => text,
        };
        if !put(Row { subject: name(subject), relation, object, confidence: 1.0 }) {
            break;
        }
    }
    Ok(())
}

fn fault(error: TurtleParseError) -> Fault {
    match error {
        TurtleParseError::Io(error) => Fault { line: None, field: None, message: error.to_string() },
        TurtleParseError::Syntax(error) => Fault {
            line: Some(error.location().start.line as usize + 1),
            field: None,
            message: error.message().to_owned(),
        },
    }
}

fn relation(predicate: &str) -> String {
    let known = KNOWN.iter().find(|(iri, _)| *iri == predicate);
    known.map_or_else(|| local(predicate), |(_, relation)| (*relation).to_owned())
}
