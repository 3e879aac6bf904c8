//! What text without spaces between words needs before its words can be counted.

use std::sync::OnceLock;

use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed, options::WordBreakInvariantOptions};

/// Segments a run of Chinese or Japanese characters by dictionary. The dictionary has both Chinese scripts.
pub(super) fn segment<'a>(run: &'a str, mut word: impl FnMut(&'a str)) {
    static SEGMENTER: OnceLock<WordSegmenterBorrowed<'static>> = OnceLock::new();
    let segmenter = SEGMENTER.get_or_init(|| WordSegmenter::new_dictionary(WordBreakInvariantOptions::default()));
    let mut start = 0;
    for end in segmenter.segment_str(run).skip(1) {
        word(run.get(start..end).unwrap_or_default());
        start = end;
    }
}

/// Whether a character is a numeral.
pub(super) fn is_numeral(c: char) -> bool {
    matches!(c, '〇' | '零' | '一' | '二' | '兩' | '两' | '三' | '四' | '五' | '六' | '七' | '八' | '九') || is_power(c)
}

fn is_power(c: char) -> bool {
    matches!(c, '十' | '百' | '千' | '萬' | '万' | '億' | '亿')
}

/// The numbers in a run of Chinese characters: two numerals or more, or one before a measure word or after 第. 一 alone
/// is an article as well, and a power of ten alone is part of other words.
pub(super) fn numbers(run: &str) -> usize {
    const MEASURES: &str = "個个顆颗元塊块天年月日歲岁本人次倍隻只張张位公小秒週周斤米里頁页條条件杯輛辆支枝名角";
    let (mut found, mut numerals) = (0, 0);
    let (mut lead, mut before) = (' ', ' ');
    for c in run.chars().chain([' ']) {
        if is_numeral(c) {
            if numerals == 0 {
                lead = before;
            }
            numerals += 1;
        } else if numerals > 0 {
            let alone = before != '一' && !is_power(before) && MEASURES.contains(c);
            found += usize::from(numerals > 1 || alone || lead == '第');
            numerals = 0;
        }
        before = c;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_from_a_dictionary_in_both_scripts() {
        let words = |run| {
            let mut words = Vec::new();
            segment(run, |w| words.push(w));
            words
        };
        assert_eq!(words("因為我們已經買了票"), ["因為", "我們", "已經", "買", "了", "票"]);
        assert_eq!(words("因为我们已经买了票"), ["因为", "我们", "已经", "买", "了", "票"]);
    }

    #[test]
    fn numbers_are_told_from_words_that_have_a_numeral() {
        assert_eq!(numbers("小明有三百二十顆蘋果每天吃兩顆"), 2);
        assert_eq!(numbers("第一題占百分之二十"), 2);
        assert_eq!(numbers("一個人一起十分高興地統一了千萬的百姓"), 1);
        assert_eq!(numbers(""), 0);
    }
}
