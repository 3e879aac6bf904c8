//! Spans of runs for a collector, over OTLP: `invoke_agent` with `execute_tool` and `chat` inside, with the names of
//! OpenTelemetry's conventions for generative AI.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use qsef_core::{Error, Result};
use tracing::Subscriber;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    registry::LookupSpan,
};

/// Sends spans in the background, in batches. It is set by OpenTelemetry's own variables: `OTEL_EXPORTER_OTLP_ENDPOINT` or
/// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (`http://`, as a collector nearby has it), `OTEL_EXPORTER_OTLP_PROTOCOL` (`http/protobuf`
/// or `http/json`), `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME` and the like.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// An exporter where the environment names an endpoint, else none.
    ///
    /// # Errors
    /// [`Error::Input`] for settings that cannot be used.
    pub fn from_env() -> Result<Option<Self>> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !is_set("OTEL_EXPORTER_OTLP_ENDPOINT") && !is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().build();
        let exporter = exporter.map_err(|e| Error::Input(format!("OTEL_EXPORTER_OTLP_…: {e}")))?;
        let resource = Resource::builder();
        let resource = if is_set("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name("qsef") };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
        Ok(Some(Self(provider.build())))
    }

    /// The layer of a `tracing` subscriber that hands the spans to it: those of qsef's own crates.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let own = Targets::new().with_target("qsef", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("qsef")).with_filter(own)
    }

    /// Sends what is left; at most five seconds.
    ///
    /// # Errors
    /// [`Error::Internal`] where the collector does not take it.
    pub fn end(self) -> Result<()> {
        let sent = self.0.force_flush().and_then(|()| self.0.shutdown());
        sent.map_err(|e| Error::Internal(format!("the spans of this run were not sent, or not all of them: {e}")))
    }
}
