use std::sync::mpsc::Receiver;

use futures::channel::mpsc::UnboundedSender;
use qsef_core::{Delta, Request, Result};
#[cfg(feature = "mtmd")]
use qsef_core::{Error, Part};
use qsef_decode::{Job, generate};

#[cfg(feature = "mtmd")]
use crate::media::{MARK, Picture, Projector};
use crate::{model::Core, session::Session};

/// A request, and where the pieces of its answer go.
pub(crate) struct Call {
    pub request: Request,
    pub answer: UnboundedSender<Result<Delta>>,
}

/// Answers the calls of one model, one after the other.
pub(crate) struct Worker<'m> {
    pub core: &'m Core,
    pub session: Session<'m>,
    #[cfg(feature = "mtmd")]
    pub projector: Option<Projector>,
}

/// A conversation as the model reads it.
struct Prompt {
    /// One for each position: tokens, and stand-ins for what is seen or heard.
    tokens: Vec<u32>,
    /// Media by the position where they begin.
    #[cfg(feature = "mtmd")]
    pictures: Vec<(usize, Picture)>,
}

impl Worker<'_> {
    /// Answers until nobody can call any more.
    pub fn serve(&mut self, calls: &Receiver<Call>) {
        for call in calls {
            if let Err(error) = self.answer(&call) {
                let _ = call.answer.unbounded_send(Err(qsef_decode::named(&self.core.info.name, error)));
            }
        }
    }

    fn answer(&mut self, call: &Call) -> Result<()> {
        let stop = || call.answer.is_closed();
        if stop() {
            return Ok(());
        }
        let core = self.core;
        let prompt = self.prompt(&call.request)?;
        let more = prompt.more_tokens();
        let context = core.info.context_tokens.saturating_sub(more);
        let tokens = prompt.tokens.clone();
        let mut job = Job::new(&call.request, tokens, &core.info.name, context, &core.grammars, core.words.as_ref())?;
        // Wrong guesses have to be forgotten again, and stand-ins must not be guessed.
        if core.keeps_no_parts() || prompt.has_media() {
            job = job.without_guesses();
        }
        self.session.turn_to(&prompt.tokens);
        #[cfg(feature = "mtmd")]
        if !self.look(&prompt, &stop)? {
            return Ok(());
        }
        generate(job, &mut self.session, core.words.clone(), &stop, |mut delta| {
            if let Delta::End { usage, .. } = &mut delta {
                usage.prompt_tokens += more as u64;
            }
            call.answer.unbounded_send(Ok(delta)).is_ok()
        })
    }

    #[cfg(not(feature = "mtmd"))]
    fn prompt(&self, request: &Request) -> Result<Prompt> {
        Ok(Prompt { tokens: self.core.tokens(&request.messages, &request.tools)? })
    }

    /// Splits a conversation into tokens and media, which the projector reads.
    #[cfg(feature = "mtmd")]
    fn prompt(&self, request: &Request) -> Result<Prompt> {
        let words = &self.core.words;
        let text = self.core.render(&request.messages, &request.tools, |part| match part {
            Part::Image(_) | Part::Audio(_) if self.projector.is_some() => Ok(MARK.to_string()),
            part => Ok(words.seam(&qsef_decode::text(part)?.replace(MARK, ""))),
        })?;
        let mut texts = text.split(MARK);
        let mut prompt =
            Prompt { tokens: words.begin(words.encode(texts.next().unwrap_or_default())?), pictures: Vec::new() };
        let media = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            Part::Image(media) | Part::Audio(media) => Some(media),
            _ => None,
        });
        let mut media = media.zip(self.projector.iter().cycle());
        for text in texts {
            let Some((media, projector)) = media.next() else { return Err(lost()) };
            let picture = projector.read(media)?;
            let start = prompt.tokens.len();
            prompt.tokens.extend_from_slice(&picture.ids);
            prompt.pictures.push((start, picture));
            prompt.tokens.extend(words.encode(text)?);
        }
        if media.next().is_some() { Err(lost()) } else { Ok(prompt) }
    }

    /// Reads the prompt up to the end of its last picture; false when `stop` said so on the way.
    #[cfg(feature = "mtmd")]
    fn look(&mut self, prompt: &Prompt, stop: &dyn Fn() -> bool) -> Result<bool> {
        use qsef_decode::{Kernels, Sequence};
        let (session, Some(projector)) = (&mut self.session, &mut self.projector) else { return Ok(true) };
        for (start, picture) in &prompt.pictures {
            let known = session.common(&prompt.tokens);
            if known >= start + picture.ids.len() {
                continue;
            }
            session.truncate(known.min(*start))?;
            let missing = prompt.tokens.get(session.tokens().len()..*start).unwrap_or_default();
            if !missing.is_empty() && session.feed(missing, Kernels::Several, 1, stop)?.is_none() {
                return Ok(false);
            }
            session.look(projector, picture)?;
        }
        Ok(!stop())
    }
}

#[cfg(feature = "mtmd")]
fn lost() -> Error {
    Error::Input(
        "the model's chat template does not keep the images and sounds of this conversation as they are".into(),
    )
}

impl Prompt {
    /// Tokens beyond one for each position: a picture may have many at one.
    fn more_tokens(&self) -> usize {
        #[cfg(feature = "mtmd")]
        return self.pictures.iter().map(|(_, picture)| picture.tokens.saturating_sub(picture.ids.len())).sum();
        #[cfg(not(feature = "mtmd"))]
        0
    }

    fn has_media(&self) -> bool {
        #[cfg(feature = "mtmd")]
        return !self.pictures.is_empty();
        #[cfg(not(feature = "mtmd"))]
        false
    }
}
