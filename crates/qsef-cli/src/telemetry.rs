//! Where logs and spans go.

use qsef::Result;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// What has to be sent before the program ends.
#[derive(Default)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    exporter: Option<qsef::otlp::Exporter>,
}

/// Logs go to stderr where QSEF_LOG asks for them (QSEF_LOG=debug, QSEF_LOG=qsef_agent=debug); with the feature `otlp`, spans go
/// to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names.
pub fn begin() -> Result<Telemetry> {
    let filter = EnvFilter::try_from_env("QSEF_LOG").ok();
    let logs = filter.map(|f| tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(f));
    #[cfg(feature = "otlp")]
    {
        let exporter = qsef::otlp::Exporter::from_env()?;
        let spans = exporter.as_ref().map(|e| e.layer());
        if logs.is_some() || spans.is_some() {
            tracing_subscriber::registry().with(logs).with(spans).init();
        }
        Ok(Telemetry { exporter })
    }
    #[cfg(not(feature = "otlp"))]
    {
        if logs.is_some() {
            tracing_subscriber::registry().with(logs).init();
        }
        Ok(Telemetry::default())
    }
}

impl Telemetry {
    /// Sends what is left.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(Err(error)) = self.exporter.map(qsef::otlp::Exporter::end) {
            crate::screen::warning(error);
        }
    }
}
