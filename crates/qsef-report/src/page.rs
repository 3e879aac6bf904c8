//! The page itself.

use std::fmt::Write;

use crate::{Bars, Plot, Spread, escaped};

const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1b1b1b;--back:#fff;--line:#ddd}\
@media(prefers-color-scheme:dark){:root{--text:#e6e6e6;--back:#161616;--line:#3a3a3a}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:1000px;margin:2em auto;padding:0 1em}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}\
.figures{display:flex;flex-wrap:wrap;gap:1.5em}figure{margin:0;width:460px;max-width:100%}figcaption{font-weight:600}\
svg{width:100%;height:auto;font-size:12px}svg text{fill:var(--text)}.grid{stroke:var(--line)}.strong{stroke:var(--text);stroke-width:1.5}\
.legend{margin:.2em 0;font-size:13px}.legend i{display:inline-block;width:10px;height:10px;margin-right:4px;border-radius:5px}\
.legend span{margin-right:10px}table{border-collapse:collapse;margin:.5em 0}\
td,th{border-bottom:1px solid var(--line);padding:.25em .8em;text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
@media print{body{max-width:none}}";

/// A page that is made from the top down.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    title: String,
    body: String,
    in_figures: bool,
}

impl Page {
    /// An empty page.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), body: String::new(), in_figures: false }
    }

    /// Begins a part.
    pub fn heading(&mut self, text: &str) -> &mut Self {
        self.block(&format!("<h2>{}</h2>\n", escaped(text)))
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.block(&format!("<p>{}</p>\n", escaped(text)))
    }

    /// Adds a table; what reads as a number is set to the right.
    pub fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> &mut Self {
        let mut table = String::from("<table><tr>");
        for name in head {
            let _ = write!(table, "<th>{}</th>", escaped(name));
        }
        for row in rows {
            table.push_str("</tr>\n<tr>");
            for cell in row {
                let is_number = cell.trim_end_matches('%').trim_start_matches('$').parse::<f64>().is_ok();
                let _ = write!(table, "<td{}>{}</td>", if is_number { " class=\"n\"" } else { "" }, escaped(&cell));
            }
        }
        table.push_str("</tr></table>\n");
        self.block(&table)
    }

    /// Adds a plot; those that follow each other stand side by side where there is room.
    pub fn plot(&mut self, plot: &Plot) -> &mut Self {
        self.figure(&plot.figure())
    }

    /// Adds bars.
    pub fn bars(&mut self, bars: &Bars) -> &mut Self {
        self.figure(&bars.figure())
    }

    /// Adds a spread.
    pub fn spread(&mut self, spread: &Spread) -> &mut Self {
        self.figure(&spread.figure())
    }

    fn figure(&mut self, figure: &str) -> &mut Self {
        if !self.in_figures && !figure.is_empty() {
            self.body.push_str("<div class=\"figures\">\n");
            self.in_figures = true;
        }
        self.body.push_str(figure);
        self
    }

    fn block(&mut self, html: &str) -> &mut Self {
        if std::mem::take(&mut self.in_figures) {
            self.body.push_str("</div>\n");
        }
        self.body.push_str(html);
        self
    }

    /// The page as HTML.
    pub fn html(&self) -> String {
        let (title, end) = (escaped(&self.title), if self.in_figures { "</div>\n" } else { "" });
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{title}</title><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{}{end}</body></html>\n",
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_together_and_everything_is_closed() {
        let mut page = Page::new("<b>");
        let mut bars = Bars::new("bars");
        bars.add("a", 1.0);
        page.heading("One").bars(&bars).bars(&bars).text("between").bars(&bars);
        page.table(&["name", "share"], [vec!["<a>".into(), "85%".into()]]);
        let html = page.html();
        assert_eq!((html.matches("<div").count(), html.matches("</div>").count()), (2, 2));
        assert!(html.contains("<title>&lt;b&gt;</title>") && html.contains("<td class=\"n\">85%</td>"), "{html}");
        assert!(html.contains("<td>&lt;a&gt;</td>") && !html.contains("http"), "{html}");
    }
}
