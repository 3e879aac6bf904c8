//! What settings may be: each check gives the field and what it must be.

/// The field that is wrong, and why.
type Wrong = (&'static str, String);

/// Whether a number is above 0.
pub(crate) fn positive(field: &'static str, value: f64) -> Result<(), Wrong> {
    says(value.is_finite() && value > 0.0, field, "must be above 0")
}

/// Whether a number is 0 or above.
pub(crate) fn not_negative(field: &'static str, value: f64) -> Result<(), Wrong> {
    says(value.is_finite() && value >= 0.0, field, "must be at least 0")
}

/// Whether a number is a share that leaves something.
pub(crate) fn share(field: &'static str, value: f64) -> Result<(), Wrong> {
    says((0.0..1.0).contains(&value), field, "must be at least 0 and below 1")
}

fn says(holds: bool, field: &'static str, message: &str) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err((field, message.to_owned())) }
}
