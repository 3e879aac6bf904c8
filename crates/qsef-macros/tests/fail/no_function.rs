/// A thing.
#[qsef::expert]
struct Thing;

fn main() {}
