use std::cmp::Ordering;

/// By falling TE, ties by id: the order in which experts are preferred.
pub(super) fn by_te(a: &(&str, f64), b: &(&str, f64)) -> Ordering {
    b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0))
}

/// `s_best = argmax_s TE(t, s)` among (id, TE) pairs (paper, section 6.4.3); of equals the first id in the alphabet. An
/// expert whose TE is not a number is passed over; `None` where no other is left.
pub fn best<'a>(rated: impl IntoIterator<Item = (&'a str, f64)>) -> Option<(&'a str, f64)> {
    rated.into_iter().filter(|(_, te)| !te.is_nan()).min_by(by_te)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_experts_does_not_matter() {
        assert_eq!(best([("b", 0.5), ("a", 0.5), ("c", 0.2)]), Some(("a", 0.5)));
        assert_eq!(best([("c", 0.2), ("a", 0.5), ("b", 0.5)]), Some(("a", 0.5)));
        assert_eq!(best([("x", f64::NAN), ("y", 0.1)]), Some(("y", 0.1)));
        assert_eq!(best([]), None);
    }
}
