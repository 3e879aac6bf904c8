use qsef_score::text::{head, is_cjk, quoted, terms};
use serde::Serialize;

/// What a request contains, read from its surface (paper, section 4.2, step 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Analysis {
    /// Names, quotations, numbers and addresses, in order.
    pub entities: Vec<String>,
    /// Stems of the words that carry the topic, sorted.
    pub concepts: Vec<String>,
    /// The action that each clause asks for.
    pub intents: Vec<String>,
    /// The parts of the request that may each be a step, in its own words.
    pub clauses: Vec<String>,
}

/// Reads a request.
pub fn analyse(request: &str) -> Analysis {
    let clauses = clauses(request);
    Analysis {
        entities: entities(request),
        concepts: terms(request).into_iter().collect(),
        intents: clauses.iter().map(|c| head(c)).collect(),
        clauses,
    }
}

fn entities(request: &str) -> Vec<String> {
    let mut entities: Vec<String> = quoted(request).into_iter().map(str::to_owned).collect();
    let mut first_of_sentence = true;
    for word in request.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '%' && c != '+');
        let name = bare.chars().next().is_some_and(char::is_uppercase) && !first_of_sentence && bare != "I";
        let number = bare.chars().any(|c| c.is_ascii_digit());
        let address = bare.contains('@') || bare.contains("://");
        if (name || number || address) && !bare.is_empty() && !entities.iter().any(|e| e.contains(bare)) {
            entities.push(bare.to_owned());
        }
        first_of_sentence = word.ends_with(['.', '!', '?', ':']);
    }
    entities
}

/// What may stand between two steps, longer joints before those that they begin with.
const JOINTS: &[&str] = &[
    ", and then ",
    ", then ",
    " and then ",
    ", and ",
    ", ",
    " and ",
    "; ",
    ". ",
    "! ",
    "? ",
    "\n",
    " while ",
    " before ",
    " after ",
    "。",
    "；",
    "，",
    "！",
    "？",
    "然後",
    "然后",
    "接著",
    "接着",
    "並且",
    "并且",
];

/// Splits a request at the places where a further step may begin, outside quotations. This only says where steps could
/// be: it is used to see that there is just one, and to find what a plan forgot. A piece that is too short to be a step
/// stays with the one before it.
fn clauses(request: &str) -> Vec<String> {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    let mut add = |start: usize, end: usize| {
        let is_step = request.get(start..end).is_some_and(|piece| is_clause(trim(piece)));
        match spans.last_mut() {
            Some(last) if !is_step => last.1 = end,
            _ => spans.push((start, end)),
        }
    };
    for (at, length) in joints(request) {
        add(start, at);
        start = at + length;
    }
    add(start, request.len());
    let pieces = spans.iter().filter_map(|&(start, end)| request.get(start..end)).map(trim);
    pieces.filter(|p| p.chars().any(char::is_alphanumeric)).map(str::to_owned).collect()
}

/// Where joints stand outside quotations, with their lengths in bytes.
fn joints(request: &str) -> Vec<(usize, usize)> {
    let hidden: Vec<(usize, usize)> = quoted(request)
        .into_iter()
        .map(|q| {
            let start = q.as_ptr() as usize - request.as_ptr() as usize;
            (start, start + q.len())
        })
        .collect();
    let lower = request.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = lower.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        let joint = JOINTS.iter().find(|j| rest.starts_with(**j)).filter(|_| is_not_number(rest));
        let is_hidden = hidden.iter().any(|(start, end)| (*start..*end).contains(&at));
        match joint.filter(|_| !is_hidden) {
            Some(joint) => {
                found.push((at, joint.len()));
                at += joint.len();
            }
            None => at += c.len_utf8(),
        }
    }
    found
}

/// A comma or a point between digits belongs to a number.
fn is_not_number(rest: &str) -> bool {
    !rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) || rest.starts_with([' ', '。', '，'])
}

fn trim(clause: &str) -> &str {
    let mut clause =
        clause.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '.' | ';' | '!' | '?' | '。'));
    for opener in ["and ", "then ", "also ", "finally ", "next ", "please "] {
        if let Some(start) = clause.get(..opener.len())
            && start.eq_ignore_ascii_case(opener)
        {
            clause = clause.get(opener.len()..).unwrap_or(clause).trim_start();
        }
    }
    clause
}

/// Whether a piece is more than a name or a filler: it has two words, or three characters of a script without spaces.
fn is_clause(piece: &str) -> bool {
    piece.split_whitespace().count() >= 2 || piece.chars().filter(|c| is_cjk(*c)).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_the_places_where_steps_may_begin() {
        let of = |request: &str| analyse(request).clauses;
        assert_eq!(of("Explain gravity."), ["Explain gravity"]);
        assert_eq!(of("Add 2 and 3, then double it."), ["Add 2 and 3", "double it"]);
        assert_eq!(of("Play 'now, and then' at 7.30"), ["Play 'now, and then' at 7.30"]);
        assert_eq!(of("計算240公里的15%。然後寫一首詩"), ["計算240公里的15%", "寫一首詩"]);
        assert_eq!(of(""), Vec::<String>::new());
    }

    #[test]
    fn entities_are_names_numbers_and_quotations() {
        let analysis = analyse("Write to ann@example.com about 'the plan' in Paris on 3 May.");
        assert_eq!(analysis.entities, ["the plan", "ann@example.com", "Paris", "3", "May"]);
        assert_eq!(analysis.intents, ["Write to ann example.com"]);
    }
}
