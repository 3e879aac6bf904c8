/// Adds.
#[qsef::expert(
    id = " ",
    examples = "Add 2 and 3",
    gives = ["jason"],
    requires = ["7"],
    effects = "some",
    usd_per_mtok = "two",
    timeout_s = 0,
    trials = 1.5,
    trials = 1
)]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

fn main() {}
