//! One page of a grid, without scripts or fonts of others: tables, and plots of the logs as SVG.

use std::{fmt::Write, path::Path};

use qsef_core::Result;
use serde_json::Value;

use super::Results;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 220.0;
const EDGE: f64 = 40.0;
/// Told apart without red beside green.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A curve: its name and its points.
type Curve = (String, Vec<(f64, f64)>);

fn plot(title: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|(_, points)| points.iter().copied());
    let range = |of: fn((f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    };
    let ((left, right), (low, high)) = (range(|p| p.0), range(|p| p.1));
    if !left.is_finite() {
        return String::new();
    }
    let place =
        |value: f64, from: f64, to: f64, size: f64| (value - from) / (to - from).max(1e-12) * (size - 2.0 * EDGE);
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">",
        escaped(title)
    );
    let (bottom, end) = (HEIGHT - EDGE, WIDTH - EDGE);
    let _ = write!(
        svg,
        "<path d=\"M{EDGE} {EDGE}V{bottom}H{end}\" fill=\"none\" stroke=\"#888\"/>\
         <text x=\"4\" y=\"{bottom}\">{low:.3}</text><text x=\"4\" y=\"{EDGE}\">{high:.3}</text>\
         <text x=\"{EDGE}\" y=\"{}\">{left}</text><text x=\"{}\" y=\"{}\">{right} steps</text>",
        bottom + 16.0,
        end - 40.0,
        bottom + 16.0,
    );
    for ((name, points), (place_of, colour)) in curves.iter().zip((0..).zip(COLOURS.iter().cycle())) {
        let line: Vec<String> = points
            .iter()
            .map(|(x, y)| {
                let x = EDGE + place(*x, left, right, WIDTH);
                format!("{x:.1},{:.1}", bottom - place(*y, low, high, HEIGHT))
            })
            .collect();
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            line.join(" "),
            EDGE + 8.0,
            EDGE + 12.0 * f64::from(place_of),
            escaped(name)
        );
    }
    svg + "</svg></figure>"
}

/// Halves a curve until it has at most 100 points, each the mean of two.
fn thinned(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    while points.len() > 100 {
        let pair = |pair: &[(f64, f64)]| {
            let count = pair.len() as f64;
            (pair.last().map_or(0.0, |p| p.0), pair.iter().map(|p| p.1).sum::<f64>() / count)
        };
        points = points.chunks(2).map(pair).collect();
    }
    points
}

/// Writes the page. The logs are read from the runs' directories, where they outlast an interruption.
///
/// # Errors
/// [`qsef_core::Error::Io`].
pub(super) fn write(path: &Path, runs: &Path, results: &Results) -> Result<()> {
    let first = results.runs.first().map(|run| run.seed);
    let mut curves: Vec<(&str, &str, Vec<Curve>)> = vec![
        ("Accuracy on the validation rows", "/valid", Vec::new()),
        ("Mean semantic distance to the teacher", "/distance", Vec::new()),
        ("Likeness of vectors to the teacher's (linear CKA)", "/cka", Vec::new()),
        ("What is minimised", "/total", Vec::new()),
        ("Length of the gradients", "/gradient", Vec::new()),
    ];
    let mut terms: Vec<(String, Vec<Curve>)> = Vec::new();
    for run in results.runs.iter().filter(|run| Some(run.seed) == first) {
        let log = runs.join(format!("{}-{}", run.mode.replace('=', "_"), run.seed)).join("log.jsonl");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let step = |line: &Value| line.get("step").and_then(Value::as_f64);
        for (_, field, curves) in &mut curves {
            let points: Vec<(f64, f64)> =
                lines.iter().filter_map(|line| Some((step(line)?, line.pointer(field)?.as_f64()?))).collect();
            if !points.is_empty() {
                curves.push((run.mode.clone(), thinned(points)));
            }
        }
        let mut of_run: Vec<Curve> = Vec::new();
        for line in &lines {
            for term in line.get("terms").and_then(Value::as_array).into_iter().flatten() {
                let (Some(name), Some(value), Some(step)) = (
                    term.pointer("/0").and_then(Value::as_str),
                    term.pointer("/1").and_then(Value::as_f64),
                    step(line),
                ) else {
                    continue;
                };
                match of_run.iter_mut().find(|(known, _)| known == name) {
                    Some((_, points)) => points.push((step, value)),
                    None => of_run.push((name.to_owned(), vec![(step, value)])),
                }
            }
        }
        let of_run = of_run.into_iter().map(|(name, points)| (name, thinned(points))).collect();
        terms.push((format!("Terms of the loss: {}", run.mode), of_run));
    }
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Distillation</title><style>body{font:14px sans-serif;\
         margin:2em;max-width:70em}table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid \
         #ddd}td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:1em}svg text{font-size:10px}</style>\
         <h1>Distillation</h1>",
    );
    if let Some(teacher) = &results.teacher {
        let accuracy = teacher.accuracy.map_or("not measured".into(), |a| format!("{:.2} %", 100.0 * a));
        let _ = write!(page, "<p>Teacher: {}, {accuracy} on the test rows.</p>", escaped(&teacher.kind));
    }
    page += "<table><tr><th>mode<th>runs<th>accuracy<th>± se<th>macro-F1<th>validation<th>seconds</tr>";
    for row in &results.summary {
        let se = row.se.map_or("–".into(), |se| format!("{:.2}", 100.0 * se));
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{:.2}<td>{se}<td>{:.2}<td>{:.2}<td>{:.0}</tr>",
            escaped(&row.mode),
            row.n,
            100.0 * row.mean,
            100.0 * row.macro_f1,
            100.0 * row.valid,
            row.seconds
        );
    }
    page += "</table><h2>Pairs on the same seeds</h2><table><tr><th>mode<th>less<th>difference<th>± se<th>p</tr>";
    for pair in &results.paired {
        let number = |value: Option<f64>, scale: f64| value.map_or("–".into(), |v| format!("{:.3}", scale * v));
        let _ = write!(
            page,
            "<tr><td>{}<td>{}<td>{:+.2}<td>{}<td>{}</tr>",
            escaped(&pair.a),
            escaped(&pair.b),
            100.0 * pair.difference,
            number(pair.se, 100.0),
            number(pair.p, 1.0)
        );
    }
    page += "</table><h2>The first seed's runs</h2>";
    curves.iter().for_each(|(title, _, curves)| page += &plot(title, curves));
    terms.iter().for_each(|(title, curves)| page += &plot(title, curves));
    crate::files::write(path, (page + "</html>\n").as_bytes())
}
