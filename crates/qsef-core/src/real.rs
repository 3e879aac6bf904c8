use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Forbids them, too, where it is set to anything but `0`.
const VARIABLE: &str = "QSEF_NO_MODELS";

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// From now on no backend in this process loads or calls a real model, as with the environment variable `QSEF_NO_MODELS=1`: for
/// tests that must not depend on one. Scripted models and recordings that are played back go on working.
pub fn forbid_real_models() {
    FORBIDDEN.store(true, Ordering::Relaxed);
}

/// Whether the real model of this name may be loaded or called. Every backend asks first, one of another crate as well.
///
/// # Errors
/// [`Error::Vetoed`], naming what forbids it.
pub fn check_real_model(name: &str) -> Result<()> {
    let by = if FORBIDDEN.load(Ordering::Relaxed) {
        "`forbid_real_models()` was called in this process"
    } else if std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty() && value != "0") {
        "the environment has QSEF_NO_MODELS; unset it to use models"
    } else {
        return Ok(());
    };
    Err(Error::Vetoed(format!("`{name}` is a real model, and these are forbidden: {by}")))
}
