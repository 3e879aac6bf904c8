use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use qsef_core::{Error, Result};
use tokio::time::{Instant, sleep};
use tower::retry::budget::{Budget, TpsBudget};

use crate::{
    endpoint::Endpoint,
    fault::Who,
    http::Transport,
    limits::{Limits, Ticket},
    settings::Settings,
};

/// The wait before the first repetition; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait that no server asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest wait that a server may ask for; who is asked for more gets the error, with the time in it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Repetitions, as a share of the calls of the last ten seconds, beyond one a second: a server in trouble is not asked again and
/// again by everyone.
const SHARE: f32 = 0.2;

/// The way to one or several endpoints: connections, repetitions and limits, which all models that use it share. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    servers: Vec<Server>,
    settings: Settings,
    limits: Arc<Limits>,
    repetitions: TpsBudget,
    turns: Mutex<Vec<Turn>>,
}

/// An endpoint and what calls it.
pub(crate) struct Server {
    pub name: String,
    weight: f64,
    pub api: async_openai::Client<Endpoint>,
}

/// Whose turn it is: smooth weighted round robin.
#[derive(Debug, Clone, Copy)]
struct Turn {
    credit: f64,
    rests_until: Instant,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.servers.iter().map(|server| &server.name)).finish()
    }
}

impl Client {
    /// A client; it connects when it is first used.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no endpoint; [`Error::Internal`] where TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self> {
        if settings.endpoints.is_empty() {
            return Err(Error::Input("there is no endpoint of an OpenAI-compatible API".into()));
        }
        // An application that has chosen another provider keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).build();
        let http = http.map_err(|e| Error::Internal(format!("cannot set up an HTTP client: {e:?}")))?;
        let server = |endpoint: &Endpoint| Server {
            name: endpoint.name.clone(),
            weight: endpoint.weight,
            api: async_openai::Client::build(http.clone(), endpoint.clone()).with_http_service(Transport(http.clone())),
        };
        Ok(Self(Arc::new(Inner {
            servers: settings.endpoints.iter().map(server).collect(),
            limits: Limits::new(settings.requests_per_minute, settings.tokens_per_minute),
            repetitions: TpsBudget::new(Duration::from_secs(10), 1, SHARE),
            turns: Mutex::new(vec![Turn { credit: 0.0, rests_until: Instant::now() }; settings.endpoints.len()]),
            settings,
        })))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn count(&self) -> usize {
        self.0.servers.len()
    }

    pub(crate) fn server(&self, at: usize) -> Result<&Server> {
        self.0.servers.get(at).ok_or_else(|| Error::Internal(format!("there is no endpoint {at}")))
    }

    pub(crate) fn who(&self, at: usize, model: &str) -> Who {
        let endpoint = self.0.servers.get(at).map(|server| server.name.clone()).unwrap_or_default();
        Who { model: model.to_owned(), endpoint }
    }

    /// Does `call` at an endpoint, within the limits, for about so many tokens. It is done again where it failed in a way that may
    /// pass, at another endpoint where there is one.
    pub(crate) async fn attempt<T, F>(&self, tokens: u64, call: impl Fn(usize, Ticket) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let inner = &self.0;
        inner.repetitions.deposit();
        let mut repetition = 0;
        loop {
            let ticket = inner.limits.enter(tokens).await;
            let at = self.next();
            let error = match call(at, ticket).await {
                Err(error @ Error::Unavailable { .. }) => error,
                done => return done,
            };
            let asked = if let Error::Unavailable { retry_after, .. } = &error { *retry_after } else { None };
            self.rest(at, wait(repetition, asked));
            let wait = self.until_any_is_up();
            if repetition >= inner.settings.retries || wait > PATIENCE || !inner.repetitions.withdraw() {
                return Err(error);
            }
            repetition += 1;
            tracing::debug!(%error, ?wait, repetition, "the call is repeated");
            sleep(wait).await;
        }
    }

    /// The endpoint whose turn it is; one that rests is taken only where all do.
    fn next(&self) -> usize {
        let now = Instant::now();
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = |turn: &Turn| turn.rests_until.saturating_duration_since(now);
        let least = turns.iter().map(rest).min().unwrap_or_default();
        let mut total = 0.0;
        for (turn, server) in turns.iter_mut().zip(&self.0.servers).filter(|(turn, _)| rest(turn) == least) {
            turn.credit += server.weight;
            total += server.weight;
        }
        let able = turns.iter_mut().enumerate().filter(|(_, turn)| rest(turn) == least);
        let Some((at, turn)) = able.max_by(|(_, a), (_, b)| a.credit.total_cmp(&b.credit)) else {
            return 0;
        };
        turn.credit -= total;
        at
    }

    fn rest(&self, at: usize, time: Duration) {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get_mut(at) {
            turn.rests_until = turn.rests_until.max(Instant::now() + time);
        }
    }

    fn until_any_is_up(&self) -> Duration {
        let turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let until = turns.iter().map(|turn| turn.rests_until).min();
        until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default()
    }
}

/// How long an endpoint is left alone after a failure.
fn wait(repetition: u32, asked: Option<Duration>) -> Duration {
    // Calls that failed together do not come back together.
    let jitter = 0.75 + (RandomState::new().build_hasher().finish() % 1024) as f64 / 2048.0;
    let doubled = FIRST_WAIT.saturating_mul(1 << repetition.min(16)).min(LONGEST_WAIT);
    asked.unwrap_or_default().max(doubled.mul_f64(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(weights: &[f64]) -> Client {
        let one = |weight: &f64| Endpoint::new("http://localhost:1/v1").unwrap().with_weight(*weight);
        let mut settings = Settings::new(one(&1.0));
        settings.endpoints = weights.iter().map(one).collect();
        Client::new(settings).unwrap()
    }

    #[tokio::test]
    async fn endpoints_get_their_shares_and_rest_after_failures() {
        let client = client(&[3.0, 1.0]);
        let turns = |n| (0..n).filter(|_| client.next() == 0).count();
        assert_eq!(turns(40), 30);
        client.rest(0, Duration::from_secs(60));
        assert_eq!(turns(10), 0);
        client.rest(1, Duration::from_secs(90));
        assert_eq!(client.next(), 0, "where all rest, the one that is up first");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_repeated_elsewhere_at_once_and_here_after_a_wait() {
        let began = Instant::now();
        let fails = || Error::Unavailable { what: "m".into(), message: "busy".into(), retry_after: None };
        let (both, seen) = (client(&[1.0, 1.0]), Mutex::new(Vec::new()));
        let call = |at: usize, _| {
            let mut seen = seen.lock().unwrap();
            seen.push(at);
            std::future::ready(if seen.len() < 2 { Err(fails()) } else { Ok(()) })
        };
        both.attempt(1, call).await.unwrap();
        let seen = seen.into_inner().unwrap();
        assert_ne!(seen[0], seen[1]);
        assert_eq!(began.elapsed(), Duration::ZERO);

        let calls = Mutex::new(0);
        let always = |_, _| {
            *calls.lock().unwrap() += 1;
            std::future::ready(Err::<(), _>(fails()))
        };
        assert!(client(&[1.0]).attempt(1, always).await.is_err());
        assert_eq!(*calls.lock().unwrap(), 3);
        assert!(began.elapsed() >= FIRST_WAIT.mul_f64(0.75 * 3.0) && began.elapsed() < FIRST_WAIT * 4);
    }
}
