//! Pages of figures that are one file: tables and plots as SVG, without scripts, fonts or pictures of others, light or dark as the
//! reader's system is. All text is escaped.
//!
//! ```
//! use qsef_report::{Axis, Mark, Page, Plot, Point, Series};
//!
//! let points = vec![Point::new(0.0, 2.0), Point::new(1.0, 0.5).titled("<the last step>")];
//! let mut plot = Plot::new("Loss", Axis::named("step"), Axis::named("nats"));
//! plot.add(Series::new("train", Mark::Line, points));
//! let mut page = Page::new("A run");
//! page.text("Two steps.").plot(&plot);
//! let html = page.html();
//! assert!(html.starts_with("<!doctype html>") && html.contains("&lt;the last step&gt;"));
//! ```

mod page;
mod plot;
mod scale;
mod spread;

pub use page::Page;
pub use plot::{Axis, Mark, Plot, Point, Series};
pub use spread::{Bars, Spread};

/// Colours that are told apart by most, by number of the series (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#888"];

fn colour(number: usize) -> &'static str {
    COLOURS.get(number % COLOURS.len()).copied().unwrap_or("#888")
}

/// Text as it stands in HTML, within attributes, too.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(escaped("<script a='b\"'>&"), "&lt;script a=&#39;b&quot;&#39;&gt;&amp;");
    }
}
