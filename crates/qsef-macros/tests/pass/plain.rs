//! Neither async nor a result, without arguments of the attribute; the function can be called as before.

/// Adds two numbers.
///
/// This paragraph is for people.
#[qsef::expert]
fn add(a: i64, mut b: i64) -> i64 {
    b += a;
    b
}

fn main() {
    assert_eq!(add(2, 3), 5);
    let profile = add::profile();
    assert_eq!((profile.id.as_str(), profile.description.as_str()), ("add", "Adds two numbers."));
    assert_eq!(profile.gives, [qsef::Format::Json]);
}
