//! A neighbourhood as a picture: its middle in the middle, what is one step away on a ring around it, and so on. No layout
//! library puts distance from one concept in the first place, which is what is asked here.

use std::{collections::HashMap, f64::consts::TAU, fmt::Write};

use crate::graph::Neighbourhood;

/// Height of a letter, in pixels.
const LETTER: f64 = 13.0;

/// Mean width of a Latin letter as a part of its height; Chinese ones are as wide as high.
const WIDTH: f64 = 0.58;

/// Room along a ring for a concept, in pixels.
const ROOM: f64 = 44.0;

/// Least distance between rings, in pixels.
const RING: f64 = 190.0;

const FILLS: [&str; 4] = ["#1f6feb", "#dbeafe", "#e8f5e9", "#f4f4f5"];

impl Neighbourhood {
    /// As a picture in SVG: by itself, without scripts and without anything from elsewhere.
    pub fn to_svg(&self) -> String {
        let places = self.places();
        let edge = places.iter().fold(120f64, |most, (x, y)| most.max(x.abs()).max(y.abs())) + 150.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{0:.0} {0:.0} {1:.0} {1:.0}\" font-family=\"sans-serif\" \
             font-size=\"{LETTER}\">\n<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" orient=\"auto-start-reverse\"><path d=\"M0 0 8 4 0 8z\" fill=\"#888\"/></marker></defs>\n\
             <rect x=\"{0:.0}\" y=\"{0:.0}\" width=\"{1:.0}\" height=\"{1:.0}\" fill=\"white\"/>\n",
            -edge,
            2.0 * edge
        );
        let mut labels: HashMap<(usize, usize), Vec<String>> = HashMap::new();
        for (from, relation, to, _) in &self.relations {
            let backward = if from > to { "← " } else { "" };
            let forward = if from > to { "" } else { " →" };
            let label = format!("{backward}{}{forward}", relation.replace('_', " "));
            labels.entry((*from.min(to), *from.max(to))).or_default().push(label);
            let (Some(a), Some(b)) = (places.get(*from), places.get(*to)) else { continue };
            let (a, b) = (self.border(*from, *a, *b), self.border(*to, *b, *a));
            let _ = writeln!(
                svg,
                "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#aaa\" marker-end=\"url(#end)\"/>",
                a.0, a.1, b.0, b.1
            );
        }
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.sort();
        for ((from, to), said) in labels {
            let (Some(a), Some(b)) = (places.get(from), places.get(to)) else { continue };
            // Nearer to the outer end: there is more room between the lines.
            let (x, y) = (a.0 + 0.58 * (b.0 - a.0), a.1 + 0.58 * (b.1 - a.1));
            let text = said.join(", ");
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"#555\" font-size=\"10\" stroke=\"white\" \
                 stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
                escaped(&text)
            );
        }
        for ((concept, steps), (x, y)) in self.concepts.iter().zip(&places) {
            let wide = wide(&concept.name);
            let fill = FILLS.get(*steps as usize).or(FILLS.last()).unwrap_or(&"white");
            let ink = if *steps == 0 { "white" } else { "#111" };
            let _ = writeln!(
                svg,
                "<g><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"26\" rx=\"8\" fill=\"{fill}\" stroke=\"#999\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{ink}\">{}</text></g>",
                x - wide / 2.0,
                y - 13.0,
                y + 4.5,
                escaped(&shown(&concept.name))
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Where the concepts stand. Each ring goes round in the order of what its concepts hang on, so that lines seldom cross.
    fn places(&self) -> Vec<(f64, f64)> {
        let mut angles = vec![0f64; self.concepts.len()];
        let mut places = vec![(0f64, 0f64); self.concepts.len()];
        let steps_of = |at: usize| self.concepts.get(at).map_or(0, |(_, steps)| *steps);
        let (mut radius, mut ring) = (0.0, 1);
        loop {
            let mut members: Vec<usize> = (0..self.concepts.len()).filter(|at| steps_of(*at) == ring).collect();
            if members.is_empty() {
                return places;
            }
            let above = |at: usize| {
                let ends = self.relations.iter().filter_map(|(a, _, b, _)| match () {
                    () if *a == at && steps_of(*b) + 1 == ring => Some(*b),
                    () if *b == at && steps_of(*a) + 1 == ring => Some(*a),
                    () => None,
                });
                ends.min().and_then(|end| angles.get(end)).copied().unwrap_or(0.0)
            };
            members.sort_by(|a, b| above(*a).total_cmp(&above(*b)).then(a.cmp(b)));
            let count = members.len() as f64;
            radius = f64::max(radius + RING, count * ROOM / TAU * 2.0);
            let shift = if ring % 2 == 0 { 0.5 } else { 0.0 };
            for (number, member) in members.into_iter().enumerate() {
                let angle = TAU * (number as f64 + shift) / count;
                if let (Some(kept), Some(place)) = (angles.get_mut(member), places.get_mut(member)) {
                    *kept = angle;
                    // Wider than high, as names are.
                    *place = (1.25 * radius * angle.cos(), radius * angle.sin());
                }
            }
            ring += 1;
        }
    }

    /// Where a line from a concept's middle to another leaves its box.
    fn border(&self, at: usize, from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
        let half = self.concepts.get(at).map_or(0.0, |(concept, _)| wide(&concept.name) / 2.0) + 3.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let scale = f64::min(half / dx.abs().max(1e-9), 16.0 / dy.abs().max(1e-9)).min(1.0);
        (from.0 + scale * dx, from.1 + scale * dy)
    }
}

/// A name as far as it is readable in a box.
fn shown(name: &str) -> String {
    let short: String = name.chars().take(28).collect();
    if short.len() < name.len() { short + "…" } else { short }
}

fn wide(name: &str) -> f64 {
    let letters: f64 = shown(name).chars().map(|c| if qsef_score::text::is_cjk(c) { 1.0 } else { WIDTH }).sum();
    letters * LETTER + 18.0
}

fn escaped(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
