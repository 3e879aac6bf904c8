/// Adds.
#[qsef::expert(examples = ["Add 2 and 3"], cost = 2.0, colour = "red")]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

fn main() {}
