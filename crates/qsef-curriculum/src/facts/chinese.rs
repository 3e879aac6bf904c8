//! Numbers and names of Chinese texts: by numerals with a measure word, and by the marks that names have.

use super::{
    numbers::{Number, ONE, Value},
    units,
};

/// Characters of numerals.
const DIGITS: &str = "零〇一二两三四五六七八九";

/// What stands after a numeral that counts, besides units: only before these it has to stay.
const MEASURES: &str = "个人名位次件台页年月日号天岁周点分秒项种类家座条支只头辆艘架本部首册层楼期届倍成度元块米公千克吨斤升亩英美欧村国省市县所场例户口轮级路岛艺枚张篇间套排队行世代万亿多余";

/// The value of a Chinese numeral: 三十, 两百万, 二〇一三.
fn numeral(text: &str) -> Option<Value> {
    let digit = |c: char| {
        DIGITS.chars().position(|d| d == c).map(|at| {
            if at < 2 {
                0
            } else if at == 2 {
                1
            } else {
                at as Value - if at > 3 { 2 } else { 1 }
            }
        })
    };
    if text.chars().count() > 1 && text.chars().all(|c| digit(c).is_some()) {
        // Years are told digit by digit.
        return text.chars().try_fold(0 as Value, |value, c| value.checked_mul(10)?.checked_add(digit(c)?));
    }
    let (mut total, mut section, mut current) = (0 as Value, 0 as Value, None::<Value>);
    for c in text.chars() {
        let factor = match c {
            '十' => 10,
            '百' => 100,
            '千' => 1000,
            '万' => 10_000,
            '亿' => 100_000_000,
            _ => {
                current = Some(digit(c)?);
                continue;
            }
        };
        if factor >= 10_000 {
            let sum = section + current.take().unwrap_or(0);
            total = (total + if sum == 0 && total == 0 { 1 } else { sum }).checked_mul(factor)?;
            section = 0;
        } else {
            section += current.take().unwrap_or(1) * factor;
        }
    }
    Some(total + section + current.unwrap_or(0))
}

/// Reads scales and units after digits, and adds the numerals of the text.
pub(super) fn numbers(text: &str, found: &mut Vec<Number>) {
    for number in found.iter_mut() {
        let head = text.get(..number.start).unwrap_or_default();
        if head.ends_with("百分之") {
            (number.unit, number.start) = (Some("percent"), number.start - "百分之".len());
        }
        let tail = |end: usize| text.get(end..).unwrap_or_default().trim_start_matches(' ');
        while let Some((c, factor)) = tail(number.end).chars().next().and_then(|c| scale(c).map(|factor| (c, factor))) {
            // 3千米 is a length, 3千克 a weight.
            if c == '千'
                && tail(number.end).starts_with(['千'])
                && tail(number.end).chars().nth(1).is_some_and(|c| "米克瓦".contains(c))
            {
                break;
            }
            let spaces = text.get(number.end..).unwrap_or_default().len() - tail(number.end).len();
            let Some(value) = number.value.checked_mul(factor) else { break };
            (number.value, number.end, number.required) = (value, number.end + spaces + c.len_utf8(), true);
        }
        let rest = text.get(number.end..).unwrap_or_default();
        if let Some((unit, length)) = units::sign(rest).or_else(|| units::chinese(rest)) {
            (number.unit, number.end) = (Some(unit), number.end + length);
        } else if let Some(unit) = latin(rest).and_then(units::word) {
            number.unit = Some(unit);
        }
    }
    let digits: Vec<std::ops::Range<usize>> = found.iter().map(|number| number.start..number.end).collect();
    for run in regex!("(?:百分之)?[零〇一二两三四五六七八九十百千万亿]+|一半").find_iter(text) {
        let inside = digits.iter().any(|range| range.contains(&run.start()));
        let head = text.get(..run.start()).unwrap_or_default();
        let (start, end) = (run.start(), run.end());
        if run.as_str() == "一半" {
            found.push(Number { value: ONE / 2, other: Some(50 * ONE), unit: None, required: false, start, end });
            continue;
        }
        let percent = run.as_str().starts_with("百分之");
        let mut plain = run.as_str().trim_start_matches("百分之");
        let tail = text.get(run.end()..).unwrap_or_default();
        // 三千米 is three thousand metres, but 千克 alone is a unit.
        let vague =
            head.ends_with(['几', '数', '好', '上', '成', '第']) && plain.chars().all(|c| "十百千万亿".contains(c));
        let week = head.ends_with("星期") || head.ends_with('周') || head.ends_with("礼拜");
        if inside || vague || plain.is_empty() {
            continue;
        }
        if plain.len() > 3 && plain.ends_with('千') && tail.starts_with('克') {
            plain = plain.trim_end_matches('千');
        }
        let Some(value) = numeral(plain).and_then(|value| value.checked_mul(ONE)) else { continue };
        let unit = if percent { Some(("percent", 0)) } else { units::chinese(tail) };
        let (unit, end) = unit.map_or((None, end), |(unit, length)| (Some(unit), end + length));
        let counted = percent || unit.is_some() || tail.starts_with(|c: char| MEASURES.contains(c));
        let bare = plain.chars().all(|c| "百千万亿".contains(c));
        let idiom = tail.starts_with("分之") || head.ends_with("分之") || tail.starts_with("方面") || week;
        let required = counted && !bare && !idiom && value >= 2 * ONE;
        found.push(Number { value, other: None, unit, required, start, end });
    }
    found.sort_by_key(|number| number.start);
}

fn scale(c: char) -> Option<Value> {
    Some(match c {
        '百' => 100,
        '千' => 1000,
        '万' => 10_000,
        '亿' => 100_000_000,
        _ => return None,
    })
}

/// The Latin letters that a text begins with.
fn latin(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(' ');
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    text.get(..end).filter(|word| !word.is_empty())
}

/// A name as the text writes it, with what of it has to stay.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) shown: String,
    pub(super) core: String,
    /// What tells it as well: 张教授 for 张伟教授.
    pub(super) other: Option<String>,
    pub(super) start: usize,
}

/// Characters that begin Chinese family names often.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤習习邓温";

/// Places that are named without an ending.
const PLACES: &str = "[中美英法德泰韩俄]国|日本|俄罗斯|加拿大|澳大利亚|新西兰|印度尼西亚|印度|巴西|意大利|西班牙|葡萄牙|荷兰|比利时|瑞士|瑞典|挪威|芬兰|丹麦|波兰|希腊|土耳其|埃及|南非|墨西哥|阿根廷|智利|秘鲁|越南|新加坡|马来西亚|菲律宾|巴基斯坦|伊朗|伊拉克|以色列|乌克兰|朝鲜|蒙古|欧洲|亚洲|非洲|北美洲|南美洲|大洋洲|南极洲|欧盟|联合国|北京|上海|天津|重庆|香港|澳门|台湾|广东|广西|江苏|浙江|山东|山西|河南|河北|湖南|湖北|四川|云南|贵州|陕西|甘肃|青海|新疆|西藏|宁夏|内蒙古|黑龙江|吉林|辽宁|安徽|福建|江西|海南|广州|深圳|杭州|南京|武汉|成都|西安|苏州|长江|黄河|长城|泰山|故宫|东京|纽约|伦敦|巴黎|莫斯科|华盛顿|柏林";

/// Chinese names by their marks: book titles, short quotations, endings of places and institutions, titles of persons,
/// the dot in foreign names, and the best-known places.
pub(super) fn names(text: &str) -> Vec<Name> {
    const PART: &str = r"[\p{Han}--[的了是在从到去和与及或于对把被给向由为以及而且但也就都还很这那他她它我你们有着过将请说来往跟同个位名某该各全本每两几哪些所]]";
    let mut found: Vec<Name> = Vec::new();
    let mut push = |shown: &str, core: &str, start: usize| {
        found.push(Name { shown: shown.to_owned(), core: core.to_owned(), other: None, start });
    };
    const MARKS: &str = r"《([^》]{1,40})》|「([^」，。！？；]{1,8})」|“([^”，。！？；]{1,8})”";
    for captures in regex!(MARKS).captures_iter(text) {
        let Some(name) = captures.iter().skip(1).flatten().next() else { continue };
        push(name.as_str(), name.as_str(), name.start());
    }
    for name in regex!(PLACES).find_iter(text) {
        push(name.as_str(), name.as_str(), name.start());
    }
    for captures in regex!(r"\p{Han}{1,8}(?:·\p{Han}{1,8})+").captures_iter(text) {
        let Some(all) = captures.get(0) else { continue };
        let last = all.as_str().rsplit('·').next().unwrap_or_default();
        // What follows the name is not parted from it: the first two characters tell it.
        let core: String = last.chars().take(2).collect();
        push(all.as_str(), &core, all.start());
    }
    let ending = regex!(&format!(
        r"({PART}{{2,4}})(有限公司|公司|集团|大学|学院|银行|医院|博物馆|省|市|县|区|山|河|江|湖|岛|寺)"
    ));
    for captures in ending.captures_iter(text) {
        let (Some(all), Some(name), Some(end)) = (captures.get(0), captures.get(1), captures.get(2)) else { continue };
        let kind = "城地山社小郊市农住开校景矿灾社战东西南北中大高";
        // 城市, 地区 and 山区 are kinds of places.
        if end.as_str().chars().count() == 1 && name.as_str().ends_with(|c: char| kind.contains(c)) {
            continue;
        }
        let core: Vec<char> = name.as_str().chars().collect();
        let core: String = core.iter().skip(core.len().saturating_sub(2)).collect();
        push(all.as_str(), &core, all.start());
    }
    let title = regex!(&format!(r"({PART}{{1,3}})(先生|女士|小姐|教授|博士|老师|经理|总统|主席|总理|首相|医生|院士)"));
    for captures in title.captures_iter(text) {
        let Some(name) = captures.get(1) else { continue };
        let from = name.as_str().char_indices().find(|(_, c)| SURNAMES.contains(*c)).map(|(at, _)| at);
        if let Some(person) = from.and_then(|from| name.as_str().get(from..)) {
            let title = captures.get(2).map_or("", |title| title.as_str());
            let other = person.chars().next().map(|family| format!("{family}{title}"));
            found.push(Name { shown: person.to_owned(), core: person.to_owned(), other, start: name.start() });
        }
    }
    found.sort_by_key(|name| name.start);
    found.dedup_by(|a, b| a.core == b.core);
    found
}
