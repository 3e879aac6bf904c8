use qsef_core::{AnyModel, Generation, Request, Result};
use tracing::Instrument;

/// Calls the hub's own model, in a span with the names of OpenTelemetry's conventions for generative AI. Models that are experts
/// have the spans of their calls.
pub(crate) async fn generate(model: &AnyModel, request: Request) -> Result<Generation> {
    let span = tracing::info_span!(
        "chat",
        "gen_ai.operation.name" = "chat",
        "gen_ai.request.model" = model.info().name,
        "gen_ai.usage.input_tokens" = tracing::field::Empty,
        "gen_ai.usage.output_tokens" = tracing::field::Empty,
    );
    let generation = model.generate(request).instrument(span.clone()).await?;
    span.record("gen_ai.usage.input_tokens", generation.usage.prompt_tokens);
    span.record("gen_ai.usage.output_tokens", generation.usage.completion_tokens);
    Ok(generation)
}
