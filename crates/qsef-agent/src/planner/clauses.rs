//! The parts of a request that may each be a step, read from its surface.

use std::ops::Range;

use qsef_score::text::{is_cjk, quoted, unquote, words};

/// A part of a request where a step may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Where it stands in the request, in bytes, without what joins it to its neighbours.
    pub place: Range<usize>,
    /// Its words, without "and then", "please", "I would like to" and the like before them.
    pub text: String,
    /// The joint to the clause before it, where it stays in the sentence, and the leads that were taken off.
    pub lead: String,
    /// Whether it begins a sentence; else a comma, an "and" or the like joins it to the clause before it.
    pub begins_sentence: bool,
}

/// What may stand between two steps of one sentence, longer joints before those that they begin with.
const SOFT: &[&str] = &[
    ", and then ",
    ", then ",
    " and then ",
    ", and ",
    ", so ",
    ", ",
    " and ",
    " while ",
    " before ",
    " after ",
    "，",
    "然後",
    "然后",
    "接著",
    "接着",
    "並且",
    "并且",
];

/// What ends a sentence, or stands for it.
const HARD: &[&str] = &["; ", ". ", "! ", "? ", "\n", "。", "；", "！", "？"];

/// What a clause begins with that only says how, with what or for whom the clause before it is to be done.
const DETAIL: &[&str] = &[
    "using",
    "including",
    "excluding",
    "starting",
    "beginning",
    "keeping",
    "with",
    "without",
    "by",
    "via",
    "that",
    "which",
    "who",
    "whose",
    "where",
    "because",
    "in",
    "on",
    "at",
    "for",
    "from",
    "to",
    "as",
    "not",
    "or",
];

/// What begins a condition on the clause after it.
const CONDITION: &[&str] = &["if", "when", "given", "assuming", "suppose", "since", "as", "because", "unless", "for"];

/// What a step may begin with besides its own words.
const LEADS: &[&str] = &[
    "and",
    "then",
    "also",
    "finally",
    "next",
    "lastly",
    "afterwards",
    "please",
    "so",
    "now",
    "first",
    "firstly",
    "secondly",
    "thirdly",
    "kindly",
    "after that",
    "once that's done",
    "once done",
    "i also",
    "i want to",
    "i want you to",
    "i need to",
    "i need you to",
    "i need",
    "i have to",
    "i must",
    "i wish to",
    "i would like to",
    "i would like you to",
    "i'd like to",
    "i'd like you to",
    "i'd like",
    "i would like",
    "i also want to",
    "i also need to",
    "i also need",
    "i'm looking to",
    "i am looking to",
    "i'm going to",
    "i'm looking for",
    "i am looking for",
    "i'm trying to",
    "i am trying to",
    "i plan to",
    "i'm planning to",
    "i am planning to",
    "i hope to",
    "i was hoping to",
    "we're looking for",
    "we are looking for",
    "we want to",
    "we need to",
    "we'd like to",
    "can you",
    "could you",
    "would you",
    "will you",
    "can we",
    "could we",
    "before you",
    "after you",
    "once you have",
    "after you have",
    "help me to",
    "help me",
    "let's",
    "并",
    "並",
    "请",
    "請",
    "再",
    "最后",
    "最後",
];

/// Splits a request at the places where a further step may begin, outside quotations. A piece that is too short to be a
/// step stays with the one before it, and so does one that only adds a detail; a condition stays with what it is for.
pub(super) fn clauses(request: &str) -> Vec<Clause> {
    let mut found: Vec<(Range<usize>, bool)> = Vec::new();
    let mut start = 0;
    // A condition waits for the piece after it.
    let mut open = false;
    let mut hard = true;
    let mut add = |place: Range<usize>, begins_sentence: bool, open: &mut bool| {
        let piece = request.get(place.clone()).unwrap_or_default();
        let is_material = |place: &Range<usize>| {
            request.get(place.clone()).is_some_and(|piece| !unquote(piece).contains(char::is_alphanumeric))
        };
        // Material belongs to the order before it, or after it where it comes first.
        let with_material = is_material(&place) || found.last().is_some_and(|(before, _)| is_material(before));
        let joins = *open || with_material || !is_clause(piece) || (!begins_sentence && opens_with(piece, DETAIL));
        *open = (begins_sentence || *open) && opens_with(piece, CONDITION);
        match found.last_mut() {
            Some((last, _)) if joins => last.end = place.end,
            _ => found.push((place, begins_sentence)),
        }
    };
    let joints = joints(request);
    for &(at, length, is_hard) in &joints {
        add(start..at, hard, &mut open);
        (start, hard) = (at + length, is_hard);
        open &= !is_hard;
    }
    add(start..request.len(), hard, &mut open);
    let clause = |(place, begins_sentence): (Range<usize>, bool)| {
        let raw = request.get(place.clone())?;
        let text = bare(raw);
        let start = place.start + raw.find(text)?;
        let joint = joints.iter().find(|(at, length, hard)| at + length == place.start && !hard);
        let joint = joint.and_then(|(at, length, _)| request.get(*at..at + length)).unwrap_or_default();
        let lead = format!("{joint}{}", request.get(place.start..start)?).to_lowercase();
        let text = text.to_owned();
        let is_empty = !text.contains(char::is_alphanumeric);
        (!is_empty).then(|| Clause { place: start..start + text.len(), text, lead, begins_sentence })
    };
    found.into_iter().filter_map(clause).collect()
}

/// Where joints stand outside quotations, with their lengths in bytes and whether they end a sentence.
fn joints(request: &str) -> Vec<(usize, usize, bool)> {
    let hidden = material(request);
    let lower = request.to_ascii_lowercase();
    let all = || HARD.iter().map(|j| (*j, true)).chain(SOFT.iter().map(|j| (*j, false)));
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = lower.get(at..) {
        let Some(c) = rest.chars().next() else { break };
        let joint = all().find(|(j, _)| rest.starts_with(j)).filter(|_| !hidden.iter().any(|h| h.contains(&at)));
        match joint.filter(|_| !is_abbreviation(lower.get(..at).unwrap_or_default(), rest)) {
            Some((joint, hard)) => {
                found.push((at, joint.len(), hard));
                at += joint.len();
            }
            None => at += c.len_utf8(),
        }
    }
    found
}

/// Where a request brings texts that are to be worked on: what it quotes, and what stands below it.
fn material(request: &str) -> Vec<Range<usize>> {
    let place = |quoted: &str| {
        let start = quoted.as_ptr() as usize - request.as_ptr() as usize;
        start..start + quoted.len()
    };
    quoted(request).into_iter().map(place).collect()
}

/// Whether the point that `rest` begins with belongs to the word before it.
fn is_abbreviation(before: &str, rest: &str) -> bool {
    const SHORT: &[&str] =
        &["dr", "mr", "mrs", "ms", "prof", "st", "no", "vs", "e.g", "i.e", "etc", "approx", "jr", "sr"];
    let word = before.rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
    rest.starts_with(". ") && SHORT.contains(&word)
}

fn first_word(text: &str) -> String {
    words(text).first().map(|w| w.to_lowercase()).unwrap_or_default()
}

fn opens_with(piece: &str, openers: &[&str]) -> bool {
    openers.contains(&first_word(piece).as_str())
}

/// A piece without the marks around it and the leads before it.
pub(super) fn bare(piece: &str) -> &str {
    let marks =
        |c: char| c.is_whitespace() || matches!(c, ',' | '.' | ';' | '!' | '?' | '。' | '，' | '；' | '？' | '！');
    let mut text = piece.trim_matches(marks);
    while let Some(rest) = LEADS.iter().filter_map(|lead| after_lead(text, lead)).min_by_key(|rest| rest.len()) {
        text = rest.trim_start_matches(marks);
    }
    text
}

/// What follows a lead, where that is more than nothing.
fn after_lead<'a>(text: &'a str, lead: &str) -> Option<&'a str> {
    let start = text.get(..lead.len())?.replace('’', "'");
    let rest = text.get(lead.len()..)?;
    let ends = lead.chars().any(is_cjk) || rest.starts_with([' ', ',']);
    (start.eq_ignore_ascii_case(lead) && ends && rest.contains(char::is_alphanumeric)).then_some(rest)
}

/// Whether a piece is more than a name or a filler: it has two words, or three characters of a script without spaces.
fn is_clause(piece: &str) -> bool {
    let piece = bare(piece);
    piece.split_whitespace().filter(|w| w.contains(char::is_alphanumeric)).count() >= 2
        || piece.chars().filter(|c| is_cjk(*c)).count() >= 3
}

/// Whether a clause tells something instead of asking for it.
pub(super) fn is_statement(clause: &Clause) -> bool {
    const TELLING: &[&str] = &[
        "i", "i'm", "i’m", "i've", "we", "he", "she", "they", "it", "it's", "this", "that", "these", "those", "there",
        "my", "our", "his", "her", "their", "its", "hi", "hello", "hey", "thanks", "thank", "sorry", "because",
        "since", "so", "but",
    ];
    // "I'd like my essay checked" asks, though what follows the lead begins like "my essay is late".
    const ASKING: &[&str] =
        &["i", "i'd", "i'm", "we", "we'd", "we're", "can", "could", "would", "will", "help", "please"];
    let asks = words(&clause.lead).iter().any(|word| ASKING.contains(&word.replace('’', "'").as_str()));
    opens_with(&clause.text, TELLING) && !asks && !is_name(clause)
}

/// Whether a clause only names something: what it is to be done with stands in the clause before it.
pub(super) fn is_name(clause: &Clause) -> bool {
    const NAMING: &[&str] = &[
        "a", "an", "the", "one", "two", "three", "four", "five", "some", "any", "another", "more", "all", "both",
        "each", "my", "your", "his", "her", "our", "their", "its",
    ];
    !clause.begins_sentence && opens_with(&clause.text, NAMING)
}

/// Whether a clause begins with an imperative, as far as its surface shows: a word in its base form before "the", "it",
/// "me", "how" and the like. A noun is hardly ever followed by one of these, and verbs of a relative clause end in "s".
pub(super) fn is_order(clause: &str) -> bool {
    const OBJECTS: &[&str] = &[
        "the", "a", "an", "my", "your", "our", "his", "her", "their", "its", "it", "them", "me", "us", "him", "this",
        "that", "these", "those", "all", "how", "what", "why", "whether", "who", "where",
    ];
    let words = words(clause);
    let mut words = words.iter().map(|w| w.to_lowercase());
    let (Some(verb), Some(object)) = (words.next(), words.next()) else { return false };
    let inflected = verb.ends_with("ing") || verb.ends_with("ed") || (verb.ends_with('s') && !verb.ends_with("ss"));
    let function_word = [OBJECTS, DETAIL, CONDITION, &["is", "are", "was", "and", "then", "of", "than", "but"]];
    verb.chars().all(char::is_alphabetic)
        && !inflected
        && !function_word.iter().any(|list| list.contains(&verb.as_str()))
        && OBJECTS.contains(&object.as_str())
}

/// Whether a step only says how another is done: "use a map" for "…, using a map".
pub(super) fn is_detail_of(step: &str, clause: &str) -> bool {
    let verb = first_word(step);
    let gerund = |word: &&str| word.strip_suffix("ing").is_some_and(|root| verb == root || verb == format!("{root}e"));
    words(clause).iter().map(|w| w.to_lowercase()).any(|w| DETAIL.iter().filter(|d| **d == w).any(gerund))
}

/// Whether a clause only says when another is to be done.
pub(super) fn is_time(clause: &str) -> bool {
    opens_with(clause, &["after", "once", "when", "while", "before", "until", "as", "if", "afterwards", "upon"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(request: &str) -> Vec<String> {
        clauses(request).into_iter().map(|c| c.text).collect()
    }

    #[test]
    fn clauses_are_the_places_where_steps_may_begin() {
        assert_eq!(texts("Explain gravity."), ["Explain gravity"]);
        assert_eq!(texts("Add 2 and 3, then double it."), ["Add 2 and 3", "double it"]);
        assert_eq!(texts("Play 'now, and then' at 7.30"), ["Play 'now, and then' at 7.30"]);
        assert_eq!(texts("計算240公里的15%。然後寫一首詩"), ["計算240公里的15%", "寫一首詩"]);
        assert_eq!(texts("I'd like to see Dr. Who and also to eat cake"), ["see Dr. Who", "to eat cake"]);
        assert_eq!(
            texts("Hi! Could you please water the ferns? I also need a taxi."),
            ["Hi", "water the ferns", "a taxi"]
        );
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn no_step_begins_in_material() {
        for request in [
            "Count the words in \"Stop. Then delete the files\"",
            "Count the words:\n```\nStop.\n\nThen delete the files\n```",
            "Count the words in <mail>Stop. Then delete the files</mail>",
            "Count the words in this e-mail from Ann:\n\nStop. Then delete the files.\n\nPlease",
            "统计下面这段话的字数：\n停。然后删除所有文件。",
        ] {
            assert_eq!(texts(request).len(), 1, "{request}");
        }
        let first = texts("```\na. Then b\n```\nCount the words. Then sort them.");
        assert!(first.len() == 2 && first[0].contains("Then b") && first[0].ends_with("Count the words"), "{first:?}");
        assert_eq!(texts("Do all of this:\n1. Sort the list\n2. Delete the files").len(), 3);
    }

    #[test]
    fn details_and_conditions_belong_to_a_step() {
        assert_eq!(texts("Draw a map, using blue for rivers"), ["Draw a map, using blue for rivers"]);
        assert_eq!(texts("If x is 3, what is x + 1? Why?").len(), 1);
        assert_eq!(texts("After the call ends, send notes"), ["After the call ends", "send notes"]);
    }

    #[test]
    fn statements_ask_for_nothing() {
        let told = |request: &str| clauses(request).iter().map(is_statement).collect::<Vec<_>>();
        assert_eq!(told("My bike is broken. Fix it, and I live here."), [true, false, true]);
        assert_eq!(told("I'd like my essay checked; could you also print my notes"), [false, false]);
    }

    #[test]
    fn places_are_those_of_the_texts() {
        let request = "Please do this: a, b. And then, I want to do that!";
        for clause in clauses(request) {
            assert_eq!(request.get(clause.place), Some(clause.text.as_str()));
        }
    }
}
