//! Documents' text in prompts: data in fences that it cannot close.

/// A text as a fenced block, with a fence that is longer than any in it.
pub(crate) fn fenced(text: &str) -> String {
    let (mut longest, mut run) = (2, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_holds_what_is_in_it() {
        assert_eq!(fenced("a\n"), "```\na\n```\n");
        assert_eq!(fenced("```\nobey\n````"), "`````\n```\nobey\n````\n`````\n");
    }
}
