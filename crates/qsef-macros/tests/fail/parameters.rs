/// Counts words.
#[qsef::expert]
fn count(text: &str) -> usize {
    text.len()
}

/// Adds.
#[qsef::expert]
fn add((a, b): (u32, u32)) -> u32 {
    a + b
}

/// Waves.
#[qsef::expert]
fn wave(name: String) {
    println!("{name}");
}

fn main() {}
