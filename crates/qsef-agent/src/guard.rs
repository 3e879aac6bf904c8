use qsef_core::{ExpertCall, ExpertProfile, Outcome, Result};

/// Looks at every call of a hub, and may veto it: a guardrail. It runs in the hub, between the experts; keep it quick.
pub trait Guard: Send + Sync + 'static {
    /// Before a call.
    ///
    /// # Errors
    /// [`qsef_core::Error::Vetoed`] where the call must not be made.
    fn before(&self, profile: &ExpertProfile, call: &ExpertCall) -> Result<()> {
        let _ = (profile, call);
        Ok(())
    }

    /// After a call that made something.
    ///
    /// # Errors
    /// [`qsef_core::Error::Vetoed`] where the result must not be passed on.
    fn after(&self, profile: &ExpertProfile, outcome: &Outcome) -> Result<()> {
        let _ = (profile, outcome);
        Ok(())
    }
}
