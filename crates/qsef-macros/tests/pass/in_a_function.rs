//! Inside a function, without parameters, with types that only that function sees.

fn main() {
    #[derive(serde::Serialize)]
    struct Moment {
        second: u64,
    }

    /// Tells the time.
    #[qsef::expert]
    async fn now() -> Moment {
        Moment { second: 1 }
    }

    assert!(now::profile().parameters.is_none());
    let _ = now::expert;
}
