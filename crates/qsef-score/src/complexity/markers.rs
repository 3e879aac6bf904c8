//! Words whose function tells about structure, in English and in Chinese (traditional and simplified).

use std::{collections::HashMap, sync::LazyLock};

/// A set of the flags below.
pub(super) type Markers = u8;
/// Opens a subordinate clause.
pub(super) const SUBORDINATOR: Markers = 1;
/// Opens a relative clause or an indirect question.
pub(super) const RELATIVE: Markers = 2;
/// Joins clauses or phrases of one rank.
pub(super) const CONJUNCTION: Markers = 4;
/// Announces a step of reasoning.
pub(super) const CONNECTIVE: Markers = 8;
/// Compares or relates quantities.
pub(super) const COMPARISON: Markers = 16;
/// Is a number.
pub(super) const NUMBER: Markers = 32;
/// Has no content of its own; only words that would count as long.
pub(super) const FUNCTION: Markers = 64;

const WORDS: &[(Markers, &str)] = &[
    (
        SUBORDINATOR,
        "after although as because before if lest once provided since though unless until when whenever where whereas \
         wherever whether while \
         如果 若 若是 假如 倘若 要是 只要 只有 除非 因為 因为 由於 由于 雖然 虽然 儘管 尽管 即使 當 当 直到 以便 以免 \
         無論 无论 不論 不论 不管 既然 之前 之後 之后 以前 以後 以后 時 时 時候 时候 隨著 随着 後 后",
    ),
    (
        RELATIVE,
        "how that what which who whom whose why \
         所 其 什麼 什么 怎麼 怎么 如何 為什麼 为什么 誰 谁 哪 哪個 哪个 哪些 是否 何",
    ),
    (
        CONJUNCTION,
        "and but nor or so yet \
         和 與 与 及 以及 或 或者 或是 並 并 並且 并且 而 而且 但 但是 可是 不過 不过 然而 且 還是 还是 不但 不僅 不仅 卻 却",
    ),
    (
        CONNECTIVE,
        "after assume assuming because before compare consequently derive each else every explain finally first given \
         hence however if let next otherwise prove show since so step suppose then therefore thus unless until when \
         while why \
         然後 然后 接著 接着 所以 因此 因而 於是 于是 則 则 那麼 那么 首先 其次 最後 最后 最終 最终 再 先 否則 否则 假設 假设 \
         設 设 證明 证明 推導 推导 解釋 解释 比較 比较 說明 说明 為什麼 为什么 如果 若 假如 除非 因為 因为 由於 由于 既然 \
         每 之後 之后 以後 以后 當 当 直到 步驟 步骤",
    ),
    (
        COMPARISON,
        "altogether average combined decrease decreased difference double each equal equally equals every fewer fraction \
         greater half increase increased larger least less longer more most older per percent percentage quarter rate \
         ratio remainder remaining same shorter smaller sum than third times total triple twice younger \
         比 更 最 多 少 多少 一半 半 倍 兩倍 两倍 三倍 百分 每 平均 共 總共 总共 一共 剩下 剩餘 剩余 相同 相等 大於 大于 小於 小于 超過 \
         超过 至少 最多 最少 增加 減少 减少 比例 比率 更多 更少 相差",
    ),
    (
        NUMBER,
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen \
         nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen",
    ),
    (
        FUNCTION,
        "against already another anybody anyone anything because between despite everybody everyone everything herself \
         himself itself myself nothing ourselves somebody someone something sometimes themselves through throughout \
         towards without yourself \
         我們 我们 你們 你们 他們 他们 她們 她们 它們 它们 自己 這個 这个 那個 那个 這些 这些 那些 這樣 这样 那樣 那样 一個 \
         一个 一些 可以 已經 已经 沒有 没有 就是 不是 還有 还有 這裡 这里 那裡 那里 大家 對於 对于 關於 关于 通過 通过 \
         非常 一樣 一样 起來 起来 出來 出来 這種 这种 一種 一种 一直 都是 也是 它的 他的 她的 我的 你的 其他 其它",
    ),
];

/// The markers of a word in lower case.
pub(super) fn markers(word: &str) -> Markers {
    static TABLE: LazyLock<HashMap<&str, Markers>> = LazyLock::new(|| {
        let mut table = HashMap::new();
        for (marker, words) in WORDS {
            for word in words.split_whitespace() {
                *table.entry(word).or_default() |= marker;
            }
        }
        table
    });
    TABLE.get(word).copied().unwrap_or(0)
}
