//! Groups side by side: how their values spread, and how much each is.

use std::fmt::Write;

use crate::{
    colour, escaped,
    plot::begin,
    scale::{Scale, short},
};

const WIDTH: f64 = 460.0;
const NAMES: f64 = 120.0;
const VALUES: f64 = 60.0;
const ROW: f64 = 26.0;

/// How the values of groups spread: least, quartiles and greatest of each, from the top down.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    title: String,
    groups: Vec<(String, Vec<f64>)>,
}

impl Spread {
    /// Without groups.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), groups: Vec::new() }
    }

    /// Adds a group; values that are no numbers are left out.
    pub fn add(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> &mut Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        self.groups.push((name.into(), values));
        self
    }

    /// A `<figure>`; empty where there are no values.
    pub fn figure(&self) -> String {
        let all = self.groups.iter().flat_map(|(_, values)| values.iter().copied());
        let Some(scale) = Scale::over(all, NAMES, WIDTH - 20.0) else { return String::new() };
        let bottom = ROW * self.groups.len() as f64 + 8.0;
        let mut svg = begin(&self.title, bottom + 22.0);
        for (place, label) in scale.ticks() {
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{place:.1} 4V{bottom}\"/>\
                 <text x=\"{place:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                bottom + 16.0
            );
        }
        for (number, (name, values)) in self.groups.iter().enumerate() {
            let middle = ROW * (number as f64 + 0.5) + 4.0;
            let _ = write!(svg, "<text x=\"4\" y=\"{}\">{}</text>", middle + 4.0, escaped(name));
            let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied();
            let quartiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(at);
            let [Some(least), Some(lower), Some(median), Some(upper), Some(most)] = quartiles else { continue };
            let [least_at, lower_at, median_at, upper_at, most_at] =
                [least, lower, median, upper, most].map(|value| scale.place(value));
            let _ = write!(
                svg,
                "<g stroke=\"{0}\"><title>{1} values: {least:.3} to {most:.3}, median {median:.3}</title>\
                 <path d=\"M{least_at:.1} {middle}H{most_at:.1}\"/>\
                 <rect x=\"{lower_at:.1}\" y=\"{2}\" width=\"{3:.1}\" height=\"14\" fill=\"{0}\" fill-opacity=\".35\"/>\
                 <path d=\"M{median_at:.1} {2}v14\" stroke-width=\"2.5\"/></g>",
                colour(number),
                values.len(),
                middle - 7.0,
                (upper_at - lower_at).max(0.5),
            );
        }
        svg.push_str("</svg></figure>\n");
        svg
    }
}

/// How much each of several is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    title: String,
    rows: Vec<(String, f64, String)>,
}

impl Bars {
    /// Without rows.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    /// Adds a row with a value of at least 0.
    pub fn add(&mut self, name: impl Into<String>, value: f64) -> &mut Self {
        let digits = if value.fract() == 0.0 { 0 } else { 2 };
        self.add_told(name, value, short(value, digits))
    }

    /// Adds a row that says its value in its own words.
    pub fn add_told(&mut self, name: impl Into<String>, value: f64, told: impl Into<String>) -> &mut Self {
        self.rows.push((name.into(), if value.is_finite() { value.max(0.0) } else { 0.0 }, told.into()));
        self
    }

    /// A `<figure>`; empty where there are no rows.
    pub fn figure(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let most = self.rows.iter().map(|(_, value, _)| *value).fold(0.0, f64::max).max(1e-12);
        let mut svg = begin(&self.title, ROW * self.rows.len() as f64 + 8.0);
        for (number, (name, value, told)) in self.rows.iter().enumerate() {
            let top = ROW * number as f64 + 6.0;
            let width = value / most * (WIDTH - NAMES - VALUES - 40.0);
            let _ = write!(
                svg,
                "<text x=\"4\" y=\"{1}\">{2}</text>\
                 <rect x=\"{NAMES}\" y=\"{top}\" width=\"{width:.1}\" height=\"16\" fill=\"{0}\"/>\
                 <text x=\"{3:.1}\" y=\"{1}\">{4}</text>",
                colour(number),
                top + 13.0,
                escaped(name),
                NAMES + width + 6.0,
                escaped(told)
            );
        }
        svg.push_str("</svg></figure>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_below_each_other() {
        let mut spread = Spread::new("complexity");
        spread.add("expert", [0.7, 0.5, 0.6]).add("none", []).add("layperson", [0.2, f64::NAN]);
        let svg = spread.figure();
        assert!(svg.contains("3 values: 0.500 to 0.700, median 0.600") && svg.contains("1 values"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2);
        assert_eq!(Spread::new("").figure(), "");
    }

    #[test]
    fn bars_are_as_long_as_their_share() {
        let mut bars = Bars::new("tokens");
        bars.add("a", 20_000.0).add_told("b", 10_000.0, "half");
        let svg = bars.figure();
        assert!(svg.contains("width=\"240.0\"") && svg.contains("width=\"120.0\""), "{svg}");
        assert!(svg.contains(">20k<") && svg.contains(">half<"), "{svg}");
    }
}
