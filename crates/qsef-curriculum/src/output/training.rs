//! `training.md`: how to train in curriculum order, trainer by trainer.

use super::Content;

const TEXT: &str = include_str!("training.md");

pub(super) fn training(content: &Content<'_>) -> String {
    let stages: Vec<String> =
        content.stages.iter().map(|stage| format!("{} {}", stage.number, super::card::inline(&stage.name))).collect();
    let files: Vec<String> = content
        .stages
        .iter()
        .filter(|stage| !stage.places.is_empty())
        .map(|stage| format!("`{}.jsonl`", stage.file()))
        .collect();
    let holds = |part: &str| match part {
        "pairs" => !content.collected.pairs.is_empty(),
        "teacher" => !content.collected.teacher.is_empty(),
        "resampled" => content.job.resample && content.summary.tiers > 0,
        _ => false,
    };
    chosen(TEXT, holds).replace("<<stages>>", &stages.join(", ")).replace("<<files>>", &files.join(", "))
}

/// The text without the parts, between `<!-- if PART -->` and `<!-- end -->`, that do not hold, and without those lines.
fn chosen(text: &str, holds: impl Fn(&str) -> bool) -> String {
    let mut chosen = String::with_capacity(text.len());
    let mut is_in = true;
    for line in text.lines() {
        if let Some(part) = line.strip_prefix("<!-- if ").and_then(|rest| rest.strip_suffix(" -->")) {
            is_in = holds(part);
        } else if line == "<!-- end -->" {
            is_in = true;
        } else if is_in {
            chosen.push_str(line);
            chosen.push('\n');
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_there_when_they_hold() {
        let text = "a\n<!-- if x -->\nb\n<!-- end -->\nc\n<!-- if y -->\nd\n<!-- end -->\n";
        assert_eq!(chosen(text, |part| part == "y"), "a\nc\nd\n");
        assert_eq!(TEXT.matches("<!-- if ").count(), TEXT.matches("<!-- end -->").count());
        let parts = TEXT.lines().filter_map(|line| line.strip_prefix("<!-- if ")?.strip_suffix(" -->"));
        assert!(
            parts.clone().count() > 0 && parts.clone().all(|part| ["pairs", "teacher", "resampled"].contains(&part))
        );
    }
}
