//! Records what models, embedders and experts are asked and what they answer, and plays it back: a test of a whole run needs
//! no model and no network, and checks the requests, too.
//!
//! ```no_run
//! # async fn example(open: impl FnOnce() -> qsef_core::Result<qsef_core::AnyModel>) -> qsef_core::Result<()> {
//! use qsef_cassette::Cassette;
//! use qsef_core::{Message, Request};
//!
//! let cassette = Cassette::open("tests/data/cassettes/greeting.json")?;
//! let model = cassette.model("qwen2.5-coder-0.5b", open)?; // opened only where it is recorded
//! println!("{}", model.generate(Request::new(vec![Message::user("Hello!")])).await?.text);
//! cassette.finish()?;
//! # Ok(())
//! # }
//! ```
//!
//! `QSEF_CASSETTE=record cargo test` makes the recordings, which are kept with the tests; without it they are played back. A
//! request is found by what it says, so calls at the same time may come in another order. One that is not in the recording
//! fails, with the difference from the nearest one that is; [`Cassette::finish`] fails where there was such a request, or
//! where a recorded one did not come.
//!
//! A cassette is one JSON file, for people to read: the interactions in the order in which they began, texts line by line,
//! vectors at the end. Secrets do not get into it ([`Scrubber`]), but for what the vector of a text tells of that. Of a streamed answer the pieces of the text are kept, and
//! not how fast they came nor how far a long prompt was read ([`qsef_core::Delta::Reading`]).

mod cassette;
mod diff;
mod embedder;
mod expert;
mod failure;
mod file;
mod model;
mod request;
mod scrub;
mod tape;

pub use cassette::{Cassette, Mode};
pub use scrub::Scrubber;
