struct Counter;

impl Counter {
    /// Counts.
    #[qsef::expert]
    fn count(&self) -> u32 {
        1
    }
}

fn main() {}
