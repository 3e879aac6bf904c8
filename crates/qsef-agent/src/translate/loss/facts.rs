use std::{
    collections::{BTreeSet, HashSet},
    ops::Range,
};

use super::{Loss, names};
use crate::translate::adapters::{blocks, dates, lists};

/// What a text says that can be looked for in another.
pub(super) struct Facts {
    dates: BTreeSet<String>,
    /// As written, with their sign.
    numbers: BTreeSet<String>,
    /// Amounts with the units that stand at them.
    units: BTreeSet<(String, String)>,
    names: BTreeSet<String>,
    /// Names that can only be looked for as parts of the text.
    phrases: BTreeSet<String>,
    code: Vec<String>,
    negations: usize,
    /// All words in lower case.
    words: HashSet<String>,
}

/// A number: digits with separators of thousands, decimals and an exponent.
const NUMBER: &str = r"\d{1,3}(?:[,'’\u{a0}\u{202f}]\d{3})+\b(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?";

/// The most characters of lost code that are shown.
const MAX_SHOWN: usize = 80;

/// What stands after an amount, or before it where it is a currency.
const UNIT: &str = r"(?x)(?:%|‰|°[CF]?|[€$£¥₹]|(?:km/h|m/s|mph|[kcmµn]?m|ft|yd|mi|[kmµ]?g|lbs?|oz|[mc]?[lL]|[mµn]?s|min|hrs?|h
    |[kMGT]?Hz|[kMGT]?Wh?|m?[VA]|[kMGT]i?B|k?Pa|bar|px|USD|EUR|GBP|CNY|RMB|JPY|CHF|percent|dollars?|euros?|pounds?|yuan|yen
    |(?:kilo|centi|milli)?(?:met(?:re|er)s?|grams?)|miles?|inch(?:es)?|feet|lit(?:re|er)s?|tons?|tonnes?|(?:milli)?seconds?
    |minutes?|hours?|days?|weeks?|months?|years?|million|billion|thousand)\b[²³]?)";

const CHINESE_UNIT: &str = r"(?:平方|立方)?(?:公里|千米|厘米|毫米|米|公斤|千克|毫克|克|吨|斤|毫升|升)|万元|亿元|美元|欧元|日元|元|块钱|小时|分钟|秒|个月|月|年|天|周|岁|度|摄氏度|百分点|千瓦时|万|亿|人|个|次|件|台|页";

impl Facts {
    /// The facts of a text; code is named where all of the text is code.
    pub(super) fn of(text: &str, code: Option<&str>) -> Self {
        let mut facts = Self {
            dates: BTreeSet::new(),
            numbers: BTreeSet::new(),
            units: BTreeSet::new(),
            names: BTreeSet::new(),
            phrases: BTreeSet::new(),
            code: code.map(normal).into_iter().collect(),
            negations: negations(text),
            words: names::words(text).map(str::to_lowercase).collect(),
        };
        // Blocks of data are read as data.
        let data = ["json", "yaml", "yml", "csv", "tsv", "markdown", "md"];
        let blocks = blocks::of(text).into_iter().filter(|block| !data.contains(&&*block.language));
        facts.code.extend(blocks.map(|block| normal(&block.code)));
        facts.code.extend(regex!(r"`([^`\n]+)`").captures_iter(text).filter_map(|c| Some(normal(c.get(1)?.as_str()))));
        facts.code.retain(|code| !code.is_empty());
        // What is read as one thing is blanked, so that its parts are not read again.
        let mut rest = text.to_owned();
        for found in dates::find(text) {
            match found.iso {
                Ok(iso) => facts.dates.insert(iso),
                Err(_) => facts.phrases.insert(text.get(found.range.clone()).unwrap_or_default().to_owned()),
            };
            blank(&mut rest, found.range);
        }
        for range in marks(&rest) {
            blank(&mut rest, range);
        }
        for (range, name) in names::identifiers(&rest) {
            facts.phrases.insert(name);
            blank(&mut rest, range);
        }
        for quantity in Quantity::all(&rest) {
            blank(&mut rest, quantity.range);
            facts.units.extend(quantity.unit.map(|unit| (quantity.number.clone(), unit)));
            facts.numbers.insert(quantity.number);
        }
        facts.names = names::names(&rest);
        facts.phrases.extend(names::chinese(&rest));
        facts
    }

    /// What another text, whose facts these are, lacks of this one.
    pub(super) fn missing_in(&self, target: &Facts, text: &str) -> Loss {
        let mut missing: Vec<String> = self.dates.difference(&target.dates).cloned().collect();
        missing.extend(self.numbers.difference(&target.numbers).cloned());
        for (number, unit) in &self.units {
            let at = target.units.range((number.clone(), String::new())..).take_while(|(n, _)| n == number);
            let other = at.into_iter().any(|(_, u)| u != unit);
            let there =
                target.units.contains(&(number.clone(), unit.clone())) || (!other && text.contains(unit.as_str()));
            if !there && target.numbers.contains(number) {
                missing.push(format!("{number} {unit}"));
            }
        }
        missing.extend(self.names.iter().filter(|name| !target.words.contains(&name.to_lowercase())).cloned());
        let lower = text.to_lowercase();
        let there = |phrase: &String| target.phrases.contains(phrase) || lower.contains(&phrase.to_lowercase());
        missing.extend(self.phrases.iter().filter(|phrase| !there(phrase)).cloned());
        let all = if self.code.is_empty() { String::new() } else { normal(text) };
        let gone = self.code.iter().filter(|code| !all.contains(code.as_str()));
        missing.extend(gone.map(|code| code.chars().take(MAX_SHOWN).collect()));
        let negation = self.negations > target.negations;
        missing.extend(negation.then(|| "a negation".to_owned()));
        Loss { missing, negation }
    }

    pub(super) fn new_numbers(&self, source: &Facts) -> Vec<String> {
        let dates = self.dates.difference(&source.dates);
        dates.chain(self.numbers.difference(&source.numbers)).cloned().collect()
    }
}

/// Replaces a part of a text by spaces of the same length.
fn blank(text: &mut String, range: Range<usize>) {
    let spaces = " ".repeat(range.len());
    if text.get(range.clone()).is_some() {
        text.replace_range(range, &spaces);
    }
}

/// The marks of numbered lists: they count the items and say nothing themselves.
fn marks(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        found.extend(regex!(lists::MARK).find(line).map(|mark| start + mark.start()..start + mark.end()));
        start += line.len();
    }
    found
}

/// Code without what Markdown may change of it: white space at the ends of lines and of the whole.
fn normal(code: &str) -> String {
    code.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Words that negate. Chinese ones count only outside of words such as 非常 that have the character without the meaning.
fn negations(text: &str) -> usize {
    let english = regex!(r"(?i)\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|false)\b|n['’]t\b");
    let chinese = regex!(r"非常|未来|不过|不仅|不但|不同|不断|没关系|非洲|无论|否则|[不没未无非勿否莫]");
    let harmless = |word: &str| word.chars().count() > 1;
    english.find_iter(text).count() + chinese.find_iter(text).filter(|found| !harmless(found.as_str())).count()
}

struct Quantity {
    range: Range<usize>,
    number: String,
    unit: Option<String>,
}

impl Quantity {
    fn all(text: &str) -> Vec<Self> {
        let mut found = Vec::new();
        let before = regex!(r"(?:[€$£¥₹]|(?:USD|EUR|GBP|CNY|RMB|JPY|CHF))\s?[-−]?$");
        let after = regex!(&format!("^ ?(?:(?:{UNIT})|{CHINESE_UNIT})"));
        for number in regex!(NUMBER).find_iter(text) {
            let head = text.get(..number.start()).unwrap_or_default();
            let tail = text.get(number.end()..).unwrap_or_default();
            // A minus stands alone; between two digits or letters it is a hyphen.
            let sign = head.chars().next_back().filter(|c| ['-', '−'].contains(c));
            let sign = sign.filter(|s| {
                !head.get(..head.len() - s.len_utf8()).unwrap_or_default().ends_with(char::is_alphanumeric)
            });
            let mut start = number.start() - sign.map_or(0, char::len_utf8);
            let mut end = number.end();
            // Only the few characters before can be a currency.
            let near = head.char_indices().rev().nth(5).map_or(head, |(at, _)| head.get(at..).unwrap_or_default());
            let unit = after.find(tail).map(|unit| {
                end += unit.end();
                unit.as_str().trim().to_owned()
            });
            let unit = unit.or_else(|| {
                let currency = before.find(near)?;
                start = number.start() - currency.len();
                Some(currency.as_str().trim_end_matches(['-', '−', ' ']).to_owned())
            });
            let sign = sign.map_or("", |_| "-");
            found.push(Self { range: start..end, number: format!("{sign}{}", number.as_str()), unit });
        }
        let numerals = regex!(&format!("([零〇一二两三四五六七八九十百千万亿]+)({CHINESE_UNIT})"));
        for captures in numerals.captures_iter(text) {
            let (Some(all), Some(number), Some(unit)) = (captures.get(0), captures.get(1), captures.get(2)) else {
                continue;
            };
            // 一个 and the like are articles, and 万 or 亿 alone belong to digits.
            if !["一", "万", "亿", "百", "千"].contains(&number.as_str()) {
                let unit = Some(unit.as_str().to_owned());
                found.push(Self { range: all.range(), number: number.as_str().to_owned(), unit });
            }
        }
        found
    }
}

/// Where the numbers of a text are, with their signs and units; those inside of identifiers are left out.
pub(crate) fn quantities(text: &str) -> Vec<Range<usize>> {
    let mut rest = text.to_owned();
    for range in marks(text).into_iter().chain(names::identifiers(text).into_iter().map(|(range, _)| range)) {
        blank(&mut rest, range);
    }
    Quantity::all(&rest).into_iter().map(|quantity| quantity.range).collect()
}
