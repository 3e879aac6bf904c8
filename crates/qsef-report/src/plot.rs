//! Points and lines over two axes.

use std::fmt::Write;

use crate::{colour, escaped, scale::Scale};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// The most points of a series that are drawn: of more, each n-th is.
const MOST: usize = 2000;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    name: String,
    holds: Vec<f64>,
}

impl Axis {
    /// An axis that is as long as its values need.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), holds: Vec::new() }
    }

    /// Makes it long enough for a value that may not be among the points.
    #[must_use]
    pub fn holding(mut self, value: f64) -> Self {
        self.holds.push(value);
        self
    }
}

/// A point; the ones that are no numbers are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    x: f64,
    y: f64,
    title: String,
    is_strong: bool,
}

impl Point {
    /// A point without a title.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, title: String::new(), is_strong: false }
    }

    /// Says what is shown when the pointer is on it.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Marks it: it is larger, and has an edge.
    #[must_use]
    pub fn strong(mut self, is_strong: bool) -> Self {
        self.is_strong = is_strong;
        self
    }
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// Points alone.
    Points,
    /// A line from point to point.
    Line,
}

/// Points of one colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    mark: Mark,
    points: Vec<Point>,
}

impl Series {
    /// A series with a name for the legend.
    pub fn new(name: impl Into<String>, mark: Mark, points: Vec<Point>) -> Self {
        Self { name: name.into(), mark, points }
    }
}

/// Series over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

impl Plot {
    /// A plot without series.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { title: title.into(), x, y, series: Vec::new() }
    }

    /// Adds a series.
    pub fn add(&mut self, series: Series) -> &mut Self {
        self.series.push(series);
        self
    }

    /// A `<figure>`; empty where there are no points.
    pub fn figure(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::over(points().map(|p| p.x).chain(self.x.holds.iter().copied()), LEFT, WIDTH - RIGHT);
        let y = Scale::over(points().map(|p| p.y).chain(self.y.holds.iter().copied()), HEIGHT - BOTTOM, TOP);
        let (Some(x), Some(y), true) = (x, y, points().next().is_some()) else { return String::new() };
        let mut svg = begin(&self.title, HEIGHT);
        grid(&mut svg, &x, &y);
        let (middle, low) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8.0);
        let side = (TOP + HEIGHT - BOTTOM) / 2.0;
        let _ = write!(
            svg,
            "<text x=\"{middle}\" y=\"{low}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(14 {side}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(&self.x.name),
            escaped(&self.y.name)
        );
        for (number, series) in self.series.iter().enumerate() {
            series.draw(&mut svg, &x, &y, colour(number));
        }
        svg.push_str("</svg>");
        legend(&mut svg, self.series.iter().map(|series| series.name.as_str()));
        svg.push_str("</figure>\n");
        svg
    }
}

impl Series {
    fn draw(&self, svg: &mut String, x: &Scale, y: &Scale, colour: &str) {
        let each = self.points.len().div_ceil(MOST).max(1);
        let drawn = self.points.iter().enumerate().filter(|(number, p)| number % each == 0 || p.is_strong);
        let drawn = drawn.map(|(_, point)| point).filter(|p| p.x.is_finite() && p.y.is_finite());
        if self.mark == Mark::Line {
            let places: Vec<String> =
                drawn.clone().map(|p| format!("{:.1},{:.1}", x.place(p.x), y.place(p.y))).collect();
            let _ = write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>",
                places.join(" ")
            );
        }
        for point in drawn.filter(|p| self.mark == Mark::Points || p.is_strong || !p.title.is_empty()) {
            let (size, edge) =
                if point.is_strong { (4.5, " class=\"strong\"") } else { (2.6, " fill-opacity=\".55\"") };
            let (x, y) = (x.place(point.x), y.place(point.y));
            let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{size}\" fill=\"{colour}\"{edge}>");
            if !point.title.is_empty() {
                let _ = write!(svg, "<title>{}</title>", escaped(&point.title));
            }
            svg.push_str("</circle>");
        }
    }
}

pub(crate) fn begin(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">"
    )
}

fn grid(svg: &mut String, x: &Scale, y: &Scale) {
    let (end, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (place, label) in x.ticks() {
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{place:.1} {TOP}V{bottom}\"/>\
             <text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 15.0
        );
    }
    for (place, label) in y.ticks() {
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{end}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            place + 4.0
        );
    }
}

/// Names of the series, where there are several.
pub(crate) fn legend<'a>(svg: &mut String, names: impl Iterator<Item = &'a str>) {
    let names: Vec<&str> = names.collect();
    if names.len() < 2 {
        return;
    }
    svg.push_str("<p class=\"legend\">");
    for (number, name) in names.into_iter().enumerate() {
        let _ = write!(svg, "<span><i style=\"background:{}\"></i>{}</span> ", colour(number), escaped(name));
    }
    svg.push_str("</p>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_at_their_places() {
        let mut plot = Plot::new("A & B", Axis::named("x").holding(0.0), Axis::named("y"));
        let points = vec![Point::new(1.0, 1.0).strong(true), Point::new(f64::NAN, 1.0), Point::new(0.5, 0.0)];
        plot.add(Series::new("one", Mark::Points, points)).add(Series::new("<two>", Mark::Line, Vec::new()));
        let svg = plot.figure();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("<circle cx=\"448.0\" cy=\"12.0\" r=\"4.5\"") && svg.contains("A &amp; B"), "{svg}");
        assert!(svg.contains("&lt;two&gt;"));
        assert_eq!(Plot::new("", Axis::named(""), Axis::named("")).figure(), "");
    }

    #[test]
    fn many_points_are_thinned_and_the_strong_ones_stay() {
        let points = (0..10_001).map(|n| Point::new(f64::from(n), 0.0).strong(n == 1)).collect();
        let mut plot = Plot::new("", Axis::named(""), Axis::named(""));
        let drawn = plot.add(Series::new("", Mark::Points, points)).figure().matches("<circle").count();
        assert!((1600..=2001).contains(&drawn), "{drawn}");
    }
}
