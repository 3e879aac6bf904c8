//! Whether a text denies something: in so many words, in a weak form, or by the opposite of a word.

use std::{borrow::Cow, sync::LazyLock};

use super::tokens::Token;

/// How often a text negates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Negations {
    /// "not", "never", 没有.
    pub(super) strong: usize,
    /// "failed to", "unable", "illegal", "only", 拒绝: they may stand for a negation and are none that has to stay.
    pub(super) weak: usize,
    /// The first strong one, as the text writes it in small letters.
    pub(super) word: String,
}

impl Negations {
    pub(super) fn any(&self) -> bool {
        self.strong + self.weak > 0
    }

    fn add(&mut self, word: &str) {
        self.strong += 1;
        if self.word.is_empty() {
            word.clone_into(&mut self.word);
        }
    }
}

const STRONG: &str =
    "not no never none nobody nothing neither nor nowhere without cannot aint dont cant wont didnt doesnt isnt wasnt";

/// Verbs and the like of which any form counts.
const WEAK_STEMS: &str = "refus fail lack prevent avoid stop deny denie reject declin forbid forbad prohibit ban abandon ignor exclud \
     oppos contradict contrary miss absen loss lose losing lost illegal illeg illog illit irreg irrel irres irrat \
     difficult hardly rare seldom barely scarce cease quit block short";

const WEAK: &str = "few fewer little less only too hard rather instead except unless until but false wrong bad poor weak empty free \
     dead secret different alone against end ended zero minus nil closed extinct former despite although yet just \
     away off";

/// Beginnings of words that deny what follows: of "in-" and "dis-" only those, because most such words deny nothing.
const PREFIXES: &str = "inac inad inap incap incomp incorr incons inconv indep indir ineff inel inesc inev inexp infreq inflex inhosp \
     inhum insec insens insig insuff intol inval invis invol inab injust insan inequ informal impos imperf impat \
     impol improb improp immat immor immob disag disap disab disadv disbel discont disconn discour dishon dislik \
     disob disor disq disreg disres dissat distrust disint non";

/// Words with "un" that deny nothing.
const NOT_UN: &[&str] = &["under", "until", "unto", "uni", "uncle", "unanim", "untie"];

/// Words after "not", "no" and "nothing" with which they deny nothing.
fn is_idiom(word: &str, next: &str, after: &str) -> bool {
    match word {
        "not" => matches!(next, "only" | "just" | "merely" | "simply" | "least" | "until" | "till" | "necessarily"),
        // "No. 10".
        "no" => {
            matches!(next, "doubt" | "matter" | "sooner" | "wonder") || next.starts_with(|c: char| c.is_ascii_digit())
        }
        "nothing" => matches!(next, "but"),
        "none" => next == "other" || next == "the" && matches!(after, "less" | "wiser"),
        "never" => next == "mind",
        _ => false,
    }
}

pub(super) fn english(tokens: &[Token<'_>]) -> Negations {
    let words: Vec<Cow<'_, str>> =
        tokens.iter().filter(|t| t.is_word() || t.kind == super::tokens::Kind::Number).map(|t| lower(t.text)).collect();
    static STRONG_WORDS: LazyLock<ByLetter> = LazyLock::new(|| by_letter(STRONG));
    let mut found = Negations::default();
    let at = |index: usize| words.get(index).map_or("", |word| word);
    let mut paired = false;
    for (index, word) in words.iter().enumerate() {
        let strong =
            near(&STRONG_WORDS, word).any(|strong| strong == word) || word.ends_with("n't") || word.ends_with("n’t");
        if !strong {
            found.weak += usize::from(is_weak(word));
            continue;
        }
        let (next, after) = (at(index + 1), at(index + 2));
        // "not unusual" and "not without" say yes.
        let double = is_weak(next) && is_formed(next)
            || next == "without"
            || (next == "so" || next == "very") && is_formed(after);
        let or_not = word == "not" && index > 0 && at(index - 1) == "or";
        if is_idiom(word, next, after) || double || or_not || (word == "without" && index > 0 && at(index - 1) == "not")
        {
            found.weak += 1;
        } else if word == "nor" && paired {
            // One negation in two words.
            paired = false;
        } else {
            found.add(word);
            paired |= word == "neither";
        }
    }
    found
}

/// A word in small letters; most are.
fn lower(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.to_lowercase())
    }
}

/// Words of a list by their first letters.
type ByLetter = [Vec<&'static str>; 26];

fn by_letter(list: &'static str) -> ByLetter {
    let mut table: ByLetter = Default::default();
    for word in list.split_whitespace() {
        if let Some(row) = letter(word).and_then(|at| table.get_mut(at)) {
            row.push(word);
        }
    }
    table
}

fn letter(word: &str) -> Option<usize> {
    word.bytes().next().filter(u8::is_ascii_lowercase).map(|byte| usize::from(byte - b'a'))
}

/// Those words of a list that begin as a word does.
fn near(table: &'static ByLetter, word: &str) -> impl Iterator<Item = &'static str> {
    letter(word).and_then(|at| table.get(at)).into_iter().flatten().copied()
}

/// Whether a word denies by its form.
fn is_formed(word: &str) -> bool {
    static TABLE: LazyLock<ByLetter> = LazyLock::new(|| by_letter(PREFIXES));
    let un = word.len() > 5 && word.starts_with("un") && !NOT_UN.iter().any(|start| word.starts_with(start));
    un || near(&TABLE, word).any(|start| word.len() > start.len() + 1 && word.starts_with(start))
}

fn is_weak(word: &str) -> bool {
    static WORDS: LazyLock<ByLetter> = LazyLock::new(|| by_letter(WEAK));
    static STEMS: LazyLock<ByLetter> = LazyLock::new(|| by_letter(WEAK_STEMS));
    let less =
        word.len() > 6 && word.ends_with("less") && !matches!(word, "nevertheless" | "nonetheless" | "regardless");
    let long = |stem: &str| stem.len() > 3 || matches!(word, "ban" | "bans" | "banned" | "banning");
    let stem = |stem: &str| word.strip_prefix(stem).is_some_and(|rest| rest.len() <= 5) && long(stem);
    less || near(&WORDS, word).any(|weak| weak == word) || near(&STEMS, word).any(stem) || is_formed(word)
}

pub(super) fn chinese(text: &str) -> Negations {
    let mut found = Negations::default();
    // Longer words first: they hold a character of negation without its meaning, or deny weakly.
    let words = regex!(
        r"非常|未来|不过|不仅|不但|不同|不断|不管|不论|不只|不光|不久|不得不|不禁|不由|不愧|不如|不必说|不一样|没关系|非洲|无论|无数|无限|无比|无疑|无线|莫非|莫名|除非|并非不|无不|未必不|是不是|有没有|能不能|会不会|要不要|对不起|差不多|了不起|说不定|不错|是否|否则|否定|否认|拒绝|失败|缺乏|缺少|避免|防止|停止|禁止|阻止|难以|很难|很少|几乎|只有|只是|仅|才|反对|失去|不[见失少]|[不没无未非勿莫别]"
    );
    for word in words.find_iter(text) {
        match word.as_str() {
            "别" => {
                // 别 denies before verbs; in 特别, 分别, 别人 and 区别 it does not.
                let before = text.get(..word.start()).and_then(|head| head.chars().next_back()).unwrap_or(' ');
                let after = text.get(word.end()..).and_then(|tail| tail.chars().next()).unwrap_or(' ');
                let part = "特分区级类性个告离差识辨".contains(before) || "人的墅名处样".contains(after);
                if !part {
                    found.add("别");
                }
            }
            "不" | "没" | "无" | "未" | "非" | "勿" | "莫" | "不见" | "不失" => found.add(word.as_str()),
            "不同" | "不一样" | "不如" | "不少" | "除非" | "否则" | "否定" | "否认" | "拒绝" | "失败" | "缺乏"
            | "缺少" | "避免" | "防止" | "停止" | "禁止" | "阻止" | "难以" | "很难" | "很少" | "几乎" | "只有"
            | "只是" | "仅" | "才" | "反对" | "失去" | "不得不" | "无不" | "并非不" | "差不多" | "不错" | "不久"
            | "不断" | "不必说" => found.weak += 1,
            _ => {}
        }
    }
    found
}
