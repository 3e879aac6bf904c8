/// Tells what it is given.
#[qsef::expert]
fn echo<T: ToString>(value: T) -> String {
    value.to_string()
}

/// Tells what it is given.
#[qsef::expert]
fn tell(value: impl ToString) -> String {
    value.to_string()
}

fn main() {}
