//! Complexity of a text, `C_data` of the paper (section 6.2.1), from its surface, in English and in Chinese (both
//! scripts).
//!
//! The paper names four indicators: lexical diversity, syntactic complexity, concept density and reasoning steps. Each
//! is the mean of its parts here, and [`Complexity::overall`] is their weighted mean. Further parts describe a short task
//! for models that are fitted to [`Complexity::values`]; they have no weight in `overall`.

mod chinese;
mod density;
mod diversity;
mod markers;
mod reading;
mod scanner;
mod steps;
mod syntax;

use serde::{Deserialize, Serialize};

use reading::Reading;

/// Declares the parts once: the struct, and their names, weights and values in the same order.
macro_rules! parts {
    ($($(#[$doc:meta])* $part:ident: $weight:expr,)*) => {
        /// How complex a text is, each part in [0, 1]. "Half at h" means the saturation `x / (x + h)`.
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
        pub struct Complexity {
            $($(#[$doc])* pub $part: f64,)*
        }

        impl Complexity {
            /// The names of the parts.
            pub const NAMES: [&str; [$(stringify!($part)),*].len()] = [$(stringify!($part)),*];

            /// The weights of the parts in [`Self::overall`], in the order of [`Self::NAMES`]; they sum to 1.
            pub const WEIGHTS: [f64; Self::NAMES.len()] = [$($weight),*];

            /// The parts in the order of [`Self::NAMES`].
            pub fn values(&self) -> [f64; Self::NAMES.len()] {
                [$(self.$part),*]
            }
        }
    };
}

/// The weights of the paper's four indicators. The steps weigh less than the rest: they are a guess from few words, and a
/// count, so that a long text has many whatever its level.
const DIVERSITY: f64 = 0.3;
const SYNTAX: f64 = 0.3;
const DENSITY: f64 = 0.3;
const STEPS: f64 = 0.1;

parts! {
    /// Lexical diversity: MTLD in words, at most the length of the text, half at 80. In `overall`.
    lexical_diversity: DIVERSITY,
    /// Syntax: words per sentence, half at 20. In `overall`.
    sentence_length: SYNTAX / 5.0,
    /// Syntax: words of the longest sentence, half at 30. In `overall`.
    longest_sentence: SYNTAX / 5.0,
    /// Syntax: subordinators, relative pronouns and conjunctions per sentence, half at 2. In `overall`.
    clauses: SYNTAX / 5.0,
    /// Syntax: commas, semicolons, colons, dashes and brackets per sentence, half at 1. In `overall`.
    phrases: SYNTAX / 5.0,
    /// Syntax: subordinators, relative pronouns and brackets of the sentence with the most, half at 4. In `overall`.
    depth: SYNTAX / 5.0,
    /// Concept density: share of long content words (7 letters or more; in Chinese, 3 characters, and those of 2 by a
    /// quarter), half at 0.2. In `overall`.
    long_words: DENSITY / 2.0,
    /// Concept density: different long content words, counted so, over the root of all words, half at 5. In `overall`.
    concepts: DENSITY / 2.0,
    /// Predicted reasoning steps: connectives, comparisons and numbers, half at 5. In `overall`.
    reasoning_steps: STEPS,
    /// Words that announce a step, such as "then", "therefore", "if": half at 3.
    connectives: 0.0,
    /// Words that compare or relate quantities, such as "than", "half", "per", "%": half at 3.
    comparisons: 0.0,
    /// Numbers, in digits or as words: half at 3.
    numbers: 0.0,
    /// Decimal digits of the largest number, `lg(1 + x)`: half at 3.
    largest_number: 0.0,
    /// Words with a capital letter that do not begin a sentence: half at 3.
    names: 0.0,
    /// Words of the last sentence, where a task often asks what it is about: half at 15.
    last_sentence: 0.0,
    /// Words: half at 50.
    words: 0.0,
    /// Characters without white space: half at 300.
    characters: 0.0,
    /// Sentences: half at 3.
    sentences: 0.0,
    /// Line breaks: half at 5.
    line_breaks: 0.0,
    /// Commas: half at 3.
    commas: 0.0,
    /// Share of digits among the characters.
    digits: 0.0,
    /// Share of punctuation and symbols among the characters.
    symbols: 0.0,
    /// Share of upper-case letters among the characters.
    upper_case: 0.0,
    /// Share of characters outside ASCII.
    non_ascii: 0.0,
}

impl Complexity {
    /// `C_data = Σ w_i·I_i` in [0, 1), with [`Self::WEIGHTS`].
    pub fn overall(&self) -> f64 {
        self.values().iter().zip(Self::WEIGHTS).map(|(value, weight)| value * weight).sum()
    }
}

/// `x / (x + half)`, in [0, 1) for x ≥ 0.
fn saturate(x: f64, half: f64) -> f64 {
    x / (x + half)
}

/// Measures a text in time linear in its length. An empty one has complexity 0.
pub fn complexity(text: &str) -> Complexity {
    let reading = Reading::new(text);
    let characters = reading.marks.characters.max(1) as f64;
    let share = |count: usize| count as f64 / characters;
    let count = |count: usize, half: f64| saturate(count as f64, half);
    let syntax = syntax::Syntax::new(&reading);
    let density = density::Density::new(&reading);
    let steps = steps::Steps::new(&reading);
    Complexity {
        lexical_diversity: saturate(diversity::mtld(&reading), 80.0),
        sentence_length: saturate(syntax.sentence_length, 20.0),
        longest_sentence: saturate(syntax.longest_sentence, 30.0),
        clauses: saturate(syntax.clauses, 2.0),
        phrases: saturate(syntax.phrases, 1.0),
        depth: saturate(syntax.depth, 4.0),
        long_words: saturate(density.long_words, 0.2),
        concepts: saturate(density.concepts, 5.0),
        reasoning_steps: count(steps.connectives + steps.comparisons + steps.numbers, 5.0),
        connectives: count(steps.connectives, 3.0),
        comparisons: count(steps.comparisons, 3.0),
        numbers: count(steps.numbers, 3.0),
        largest_number: saturate(steps.largest_number, 3.0),
        names: count(reading.marks.names, 3.0),
        last_sentence: saturate(syntax.last_sentence, 15.0),
        words: count(reading.words.len(), 50.0),
        characters: count(reading.marks.characters, 300.0),
        sentences: count(reading.sentences.len(), 3.0),
        line_breaks: count(reading.marks.line_breaks, 5.0),
        commas: count(reading.marks.commas, 3.0),
        digits: share(reading.marks.digits),
        symbols: share(reading.marks.symbols),
        upper_case: share(reading.marks.upper_case),
        non_ascii: share(reading.marks.non_ascii),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Easy, middle and hard texts of the same content: English, Traditional and Simplified Chinese.
    const LEVELS: [[&str; 3]; 3] = [
        [
            "The sun is hot. It gives us light. Plants need light to grow. Animals eat the plants.",
            "太陽很熱。它給我們光。植物需要光才能長大。動物吃植物。",
            "太阳很热。它给我们光。植物需要光才能长大。动物吃植物。",
        ],
        [
            "Plants use the light of the sun to make their food, and this process needs water and air. When animals eat \
             plants, they take in the energy that the plants have stored.",
            "植物利用太陽的光來製造食物，這個過程需要水和空氣。當動物吃植物的時候，牠們就得到植物所儲存的能量。",
            "植物利用太阳的光来制造食物，这个过程需要水和空气。当动物吃植物的时候，它们就得到植物所储存的能量。",
        ],
        [
            "Photosynthesis, which converts electromagnetic radiation into chemical energy, underlies practically every \
             terrestrial food chain: although only a small fraction of the incident radiation is absorbed by \
             chlorophyll, the carbohydrates that are synthesised from carbon dioxide and water sustain both the \
             autotrophic organisms themselves and, because consumers depend on primary production, the heterotrophic \
             populations above them.",
            "光合作用將電磁輻射轉換為化學能，幾乎是所有陸地食物鏈的基礎：雖然葉綠素只吸收了入射輻射的一小部分，但是由二氧化碳和水所\
             合成的碳水化合物，不僅維持了自營生物本身的生存，而且因為消費者依賴初級生產，也支持了位於其上的異營生物族群。",
            "光合作用将电磁辐射转换为化学能，几乎是所有陆地食物链的基础：虽然叶绿素只吸收了入射辐射的一小部分，但是由二氧化碳和水所\
             合成的碳水化合物，不仅维持了自养生物本身的生存，而且因为消费者依赖初级生产，也支持了位于其上的异养生物种群。",
        ],
    ];

    fn check(text: &str) -> Complexity {
        let c = complexity(text);
        for (name, value) in Complexity::NAMES.iter().zip(c.values()) {
            assert!((0.0..=1.0).contains(&value), "{name} = {value}");
        }
        assert!((0.0..1.0).contains(&c.overall()));
        c
    }

    proptest! {
        #[test]
        fn parts_are_in_range(
            any in any::<String>(),
            mixed in "[a-zA-ZÀ-ö\u{301}0-9 .,'_!?()%\r\n一二三百個的因為小明ふッ・。，「」…İß😀]{0,60}",
        ) {
            check(&any);
            check(&mixed);
        }
    }

    #[test]
    fn hostile_text_is_measured_too() {
        for text in ["", " \u{3000}\n", "?", "😀👩‍👩‍👧", "\0\u{7f}\u{200b}", "。。。", "((((", "\u{301}", "・"]
        {
            check(text);
        }
        for unit in ["a", "A ", "文", "一", "ふ", ".", "\n", "a. ", "\u{301}", "1,"] {
            check(&unit.repeat((1 << 20) / unit.len()));
        }
        assert_eq!(complexity("").values(), Complexity::default().values());
        assert_eq!(complexity("").overall(), 0.0);
    }

    #[test]
    fn weights_sum_to_one() {
        assert!((Complexity::WEIGHTS.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn levels_are_ordered_and_translations_are_close() {
        let overall = LEVELS.map(|texts| texts.map(|t| complexity(t).overall()));
        for language in 0..3 {
            assert!(overall[0][language] + 0.1 < overall[1][language], "{overall:?}");
            assert!(overall[1][language] + 0.1 < overall[2][language], "{overall:?}");
        }
        for [english, traditional, simplified] in overall {
            assert!((english - traditional).abs() < 0.12 && (traditional - simplified).abs() < 0.03, "{overall:?}");
        }
    }

    #[test]
    fn a_task_shows_its_steps_numbers_and_comparisons() {
        let half = |x: f64, half: f64| x * half / (1.0 - x);
        for task in [
            "If a book costs 20 percent more than a pen, then how many pens do two books buy?",
            "如果一本書比一枝筆貴百分之二十，那麼兩本書可以買多少枝筆？",
            "如果一本书比一枝笔贵百分之二十，那么两本书可以买多少枝笔？",
        ] {
            let c = complexity(task);
            assert!((half(c.numbers, 3.0) - 2.0).abs() < 1e-9, "{task}: {c:?}");
            assert!((half(c.connectives, 3.0) - 2.0).abs() < 1e-9, "{task}: {c:?}");
            assert!((half(c.comparisons, 3.0) - 3.0).abs() < 1e-9, "{task}: {c:?}");
        }
    }

    #[test]
    fn numbers_names_and_the_question_are_seen() {
        let half = |x: f64, half: f64| x * half / (1.0 - x);
        let c = complexity("Ann and Bob Smith pay 9,999.00 dollars, or 0.5 each day. How many days?");
        assert!((half(c.largest_number, 3.0) - 4.0).abs() < 1e-9, "{c:?}");
        assert!((half(c.names, 3.0) - 2.0).abs() < 1e-9, "{c:?}");
        assert!((half(c.last_sentence, 15.0) - 3.0).abs() < 1e-9, "{c:?}");
    }

    #[test]
    fn parts_survive_json_by_name() {
        let c = complexity(LEVELS[1][0]);
        let json = serde_json::to_value(c).unwrap();
        assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), Complexity::NAMES);
        assert_eq!(serde_json::from_value::<Complexity>(json).unwrap(), c);
    }
}
