//! What goes over the wire, below async-openai: answers that are no success become a [`Refusal`] with all that they tell,
//! and no answer takes up more than a bounded space.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use async_openai::{error::OpenAIError, middleware::HttpRequestFactory};
use futures::{Stream, StreamExt, stream};
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 64 << 20;

/// The most bytes of an event in a stream; the time to read one grows with the square of its length.
const LONGEST_EVENT: usize = 1 << 20;

/// The most bytes of an error message that are read.
const MOST_ERROR_BYTES: usize = 16 << 10;

/// An answer that is no success, or no answer of this API.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status}: {message}")]
pub(crate) struct Refusal {
    pub status: u16,
    pub message: String,
    /// The API's name for the fault, such as `insufficient_quota`.
    pub code: String,
    pub retry_after: Option<Duration>,
}

/// Sends requests over one pool of connections.
#[derive(Debug, Clone)]
pub(crate) struct Transport(pub reqwest::Client);

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let request = request.build().await?;
            let streams = request.url().path().ends_with("/chat/completions");
            let response = client.execute(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            if !status.is_success() || kind.starts_with("text/html") {
                let body = read(response, MOST_ERROR_BYTES).await;
                let refusal = Refusal::new(status.as_u16(), &headers, &kind, &String::from_utf8_lossy(&body));
                return Err(OpenAIError::Boxed(Box::new(refusal)));
            }
            if streams && kind.starts_with("application/json") {
                // It does not stream: the whole answer becomes the one event of a stream.
                let body = read(response, MOST_BYTES).await;
                let line = serde_json::from_slice::<Value>(&body).map(|value| value.to_string());
                let line = line.unwrap_or_else(|_| String::from_utf8_lossy(&body).replace(['\r', '\n'], " "));
                return Ok(http::Response::new(format!("data: {line}\n\n")).into());
            }
            Ok(bounded(response, if streams { LONGEST_EVENT } else { MOST_BYTES }))
        })
    }
}

/// What arrives of a body, up to a length.
async fn read(response: Response, most: usize) -> Vec<u8> {
    let (mut body, mut chunks) = (Vec::new(), response.bytes_stream());
    while let Some(Ok(chunk)) = chunks.next().await {
        body.extend(chunk.iter().take(most - body.len()));
        if body.len() == most {
            break;
        }
    }
    body
}

/// The response with a body that ends with an error event where it, or a line of it, would become too long.
fn bounded(response: Response, longest_line: usize) -> Response {
    let mut parts = http::Response::new(());
    (*parts.status_mut(), *parts.headers_mut()) = (response.status(), response.headers().clone());
    let state = Some((response.bytes_stream(), 0, 0));
    let body = stream::unfold(state, move |state| async move {
        let (mut chunks, read, line) = state?;
        let chunk = chunks.next().await?;
        let bytes = chunk.as_deref().unwrap_or_default();
        let read = read + bytes.len();
        let line = bytes.iter().rev().position(|byte| *byte == b'\n').unwrap_or(line + bytes.len());
        if read > MOST_BYTES || line > longest_line {
            let error = "\n\ndata: {\"error\": \"the answer, or one event of it, is too long\"}\n\n";
            return Some((Ok(error.into()), None));
        }
        Some((chunk, Some((chunks, read, line))))
    });
    parts.map(|()| reqwest::Body::wrap_stream(body)).into()
}

impl Refusal {
    fn new(status: u16, headers: &HeaderMap, kind: &str, body: &str) -> Self {
        // Servers say it as {"error": {"message"}}, {"error": "…"}, {"message"}, {"detail"} or in plain text.
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let error = json.get("error").unwrap_or(&json);
        let field = |name| error.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
        let message = field("message").or_else(|| error.as_str().map(str::to_owned)).or_else(|| field("detail"));
        let message = match message {
            Some(message) => message,
            None if kind.starts_with("text/html") => {
                "a web page came back, not an answer of the API: is the base URL right? For most servers it ends in /v1"
                    .into()
            }
            None => body.to_owned(),
        };
        let code = field("code").filter(|code| code != "null").or_else(|| field("type")).unwrap_or_default();
        Self { status, message: shortened(&message), code, retry_after: retry_after(headers) }
    }
}

/// What is shown of a text that may be long, or steer a terminal.
pub(crate) fn shortened(text: &str) -> String {
    let text = text.trim().replace(char::is_control, " ");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// How long a server asks to be left alone: milliseconds in OpenAI's own header, seconds or a date in HTTP's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number(RETRY_AFTER.as_str()));
    if let Some(seconds) = seconds {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(headers.get(RETRY_AFTER)?.to_str().ok()?).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A stream of chunks as async-openai gives it.
pub(crate) type Chunks<T> = Pin<Box<dyn Stream<Item = Result<T, OpenAIError>> + Send>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_read_in_all_its_forms() {
        let of = |name: &'static str, value: &str| {
            retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!(of("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(of("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(of("retry-after", "-1"), None);
        assert_eq!(of("retry-after", "soon"), None);
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        let wait = of("retry-after", &date).unwrap();
        assert!((58..=60).contains(&wait.as_secs()), "{wait:?}");
    }

    #[test]
    fn errors_are_read_in_the_forms_that_servers_write() {
        let of = |body: &str| Refusal::new(400, &HeaderMap::new(), "", body);
        assert_eq!(of(r#"{"error":{"message":"m","code":null,"type":"t"}}"#).message, "m");
        assert_eq!(of(r#"{"error":{"message":"m","code":null,"type":"t"}}"#).code, "t");
        assert_eq!(of(r#"{"error":{"message":"m","code":503}}"#).code, "503");
        assert_eq!(of(r#"{"error":"m"}"#).message, "m");
        assert_eq!(of(r#"{"detail":[{"msg":"m"}]}"#).message, r#"[{"msg":"m"}]"#);
        assert_eq!(of("busy").message, "busy");
        assert!(of(&"x".repeat(900)).message.len() < 410);
    }
}
