//! One page of a grid: tables, and plots of the logs.

use std::path::Path;

use qsef_core::Result;
use qsef_report::{Axis, Mark, Page, Plot, Point, Series};
use serde_json::Value;

use super::Results;

/// A curve: its name and its points.
type Curve = (String, Vec<(f64, f64)>);

fn plot(title: &str, curves: &[Curve]) -> Plot {
    let mut plot = Plot::new(title, Axis::named("steps"), Axis::named(""));
    for (name, points) in curves {
        let points = points.iter().map(|(x, y)| Point::new(*x, *y)).collect();
        plot.add(Series::new(name, Mark::Line, points));
    }
    plot
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
        ("How right students are on the validation rows", "/valid", Vec::new()),
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
    let mut page = Page::new("Distillation");
    if let Some(teacher) = &results.teacher {
        page.text(&format!("Teacher: {}.", teacher.told(results.measure)));
    }
    let number =
        |value: Option<f64>, scale: f64, digits| value.map_or("–".into(), |v| format!("{:.digits$}", scale * v));
    page.table(
        &["mode", "runs", results.measure, "± se", "macro-F1", "validation", "seconds"],
        results.summary.iter().map(|row| {
            vec![
                row.mode.clone(),
                row.n.to_string(),
                format!("{:.2}", 100.0 * row.mean),
                number(row.se, 100.0, 2),
                format!("{:.2}", 100.0 * row.macro_f1),
                format!("{:.2}", 100.0 * row.valid),
                format!("{:.0}", row.seconds),
            ]
        }),
    );
    page.heading("Pairs on the same seeds").table(
        &["mode", "less", "difference", "± se", "p"],
        results.paired.iter().map(|pair| {
            let difference = format!("{:+.2}", 100.0 * pair.difference);
            vec![pair.a.clone(), pair.b.clone(), difference, number(pair.se, 100.0, 3), number(pair.p, 1.0, 3)]
        }),
    );
    page.heading("The first seed's runs");
    for (title, _, curves) in &curves {
        page.plot(&plot(title, curves));
    }
    for (title, curves) in &terms {
        page.plot(&plot(title, curves));
    }
    crate::files::write(path, page.html().as_bytes())
}
