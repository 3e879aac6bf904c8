//! What Chinese sentences say of how things are related.

use super::{Found, IS_A, PART_OF, SAME_AS};

/// Words that no name begins with.
const BEFORE: &[&str] = &[
    "这", "那", "它", "其", "该", "此", "他", "她", "我", "你", "本", "因此", "所以", "但", "而", "并", "也", "就",
    "都", "如果", "由于", "因为", "对于", "在", "从", "当", "并且", "以及", "通常", "一般",
];

/// Finds the relations of one sentence.
pub(super) fn read(sentence: &str, found: &mut Found) {
    for (what, kind) in
        pairs(regex!(r"([\p{Han}\w]{2,14}?)(?:是|属于)一(?:种|类|个|项|門|门|款)([\p{Han}\w]{2,24})"), sentence)
    {
        relate(found, what, IS_A, kind, 0.7);
    }
    for (what, kind) in pairs(regex!(r"([\p{Han}\w]{2,14}?)属于([\p{Han}\w]{2,16})"), sentence) {
        relate(found, what, IS_A, kind.trim_start_matches("一种"), 0.7);
    }
    for (what, name) in pairs(
        regex!(r"([\p{Han}\w]{2,14}?)[，,（(]?(?:又称|也称|也叫|又名|简称)(?:为|作)?([\p{Han}\w]{2,14})"),
        sentence,
    ) {
        relate(found, what, SAME_AS, name, 0.8);
    }
    for (whole, parts) in pairs(regex!(r"([\p{Han}\w]{2,14}?)(?:包括|包含)([\p{Han}\w、和与及]{2,60})"), sentence)
    {
        items(parts).for_each(|part| relate(found, part, PART_OF, whole, 0.6));
    }
    for (whole, parts) in pairs(regex!(r"([\p{Han}\w]{2,14}?)由([\p{Han}\w、和与及]{2,60}?)(?:组成|构成)"), sentence)
    {
        items(parts).for_each(|part| relate(found, part, PART_OF, whole, 0.7));
    }
}

fn pairs<'a>(pattern: &regex::Regex, sentence: &'a str) -> Vec<(&'a str, &'a str)> {
    let both = |c: regex::Captures<'a>| Some((c.get(1)?.as_str(), c.get(2)?.as_str()));
    pattern.captures_iter(sentence).filter_map(both).collect()
}

/// The names of a list.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(['、', '和', '与', '及'])
        .map(|item| item.trim_end_matches(['等', '以']))
        .filter(|i| i.chars().count() >= 2)
}

fn relate(found: &mut Found, subject: &str, kind: &str, object: &str, confidence: f32) {
    // What is described stands last: "用图表示知识的方法" is a 方法.
    let object = object.rsplit('的').next().unwrap_or(object);
    let subject = subject.rsplit('的').next().unwrap_or(subject);
    let is_name = |name: &str| {
        (2..=12).contains(&name.chars().count())
            && !BEFORE.iter().any(|word| name.starts_with(word))
            && !name.contains('是')
    };
    if is_name(subject) && is_name(object) {
        found.relation(subject, kind, object, confidence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_tell_of_relations() {
        let mut found = Found::default();
        read("知识图谱是一种用图表示知识的方法。", &mut found);
        read("系统包括规划器、路由器和执行器。", &mut found);
        read("水由氢和氧气组成", &mut found);
        read("乙酰水杨酸又称阿司匹林。", &mut found);
        read("这是一种方法。", &mut found);
        let said: Vec<String> =
            found.relations.iter().map(|r| format!("{} {} {}", r.subject, r.kind, r.object)).collect();
        assert_eq!(
            said,
            [
                "知识图谱 is_a 方法",
                "规划器 part_of 系统",
                "路由器 part_of 系统",
                "执行器 part_of 系统",
                "乙酰水杨酸 same_as 阿司匹林",
            ]
        );
    }
}
