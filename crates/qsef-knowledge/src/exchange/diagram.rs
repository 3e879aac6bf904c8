//! A part of a graph as a drawing's text, for Graphviz and Mermaid.

use std::fmt::Write;

use crate::graph::Neighbourhood;

impl Neighbourhood {
    /// In the language of Graphviz: `dot -Tsvg` draws it.
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph knowledge {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
        for (number, (concept, steps)) in self.concepts.iter().enumerate() {
            let middle = if *steps == 0 { ", penwidth=2" } else { "" };
            let _ = writeln!(text, "  n{number} [label=\"{}\"{middle}];", quoted(&concept.name));
        }
        for (from, relation, to, _) in &self.relations {
            let _ = writeln!(text, "  n{from} -> n{to} [label=\"{}\"];", quoted(relation));
        }
        text.push_str("}\n");
        text
    }

    /// In the language of Mermaid, which Markdown viewers draw.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("graph LR\n");
        for (number, (concept, _)) in self.concepts.iter().enumerate() {
            let _ = writeln!(text, "  n{number}[\"{}\"]", entities(&concept.name));
        }
        for (from, relation, to, _) in &self.relations {
            let _ = writeln!(text, "  n{from} -->|\"{}\"| n{to}", entities(relation));
        }
        text
    }
}

fn quoted(text: &str) -> String {
    text.replace(char::is_control, " ").replace('\\', "\\\\").replace('"', "\\\"")
}

/// Mermaid reads marks as `#code;`.
fn entities(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | '|' | '[' | ']' | ';' | '\\' => drop(write!(escaped, "#{};", c as u32)),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use crate::graph::{ConceptInfo, Neighbourhood};

    #[test]
    fn names_do_not_break_out_of_a_drawing() {
        let evil = "x\"]; <script>\n#`|";
        let concept = |id, name: &str| ConceptInfo { id, name: name.into(), kind: "concept".into() };
        let part = Neighbourhood {
            concepts: vec![(concept(1, "cat"), 0), (concept(2, evil), 1)],
            relations: vec![(0, "is_a".into(), 1, 0.7)],
            left_out: 0,
        };
        let dot = part.to_dot();
        assert!(dot.contains("n0 -> n1 [label=\"is_a\"]") && dot.contains("x\\\"]; <script> #`|"), "{dot}");
        let mermaid = part.to_mermaid();
        assert_eq!(mermaid.lines().count(), 4);
        assert!(mermaid.contains("n0 -->|\"is_a\"| n1") && !mermaid.contains("<script>"), "{mermaid}");
        let svg = part.to_svg();
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
        assert!(Neighbourhood { concepts: vec![], relations: vec![], left_out: 0 }.to_svg().starts_with("<svg"));
    }
}
