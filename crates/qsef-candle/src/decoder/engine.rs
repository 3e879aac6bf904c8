//! The thread of a model: it makes all answers that are asked for at a time, in the same passes through the layers.
//!
//! A pass reads every weight, however many tokens go through; so answers that are made together take less time than one after the
//! other. As a token's result does not depend on the tokens beside it, an answer is the same as if it were made alone.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc::Receiver},
};

use futures::channel::mpsc::UnboundedSender;
use qsef_core::{Delta, Error, Request, Result};
use qsef_decode::{Answer, Job, Kernels, Sequence, Step};

use super::{
    CandleModel,
    session::{Feed, Session, feed_together},
    tokens::Vocabulary,
};

/// Where the pieces of an answer go; closed when nobody listens any more.
pub(super) type Sink = UnboundedSender<Result<Delta>>;

/// Answers that are made at a time; more wait.
const AT_ONCE: usize = 8;

/// A request for an answer. It holds the model, which lives as long as somebody waits for it.
pub(super) struct Order {
    pub model: CandleModel,
    pub request: Request,
    pub sink: Sink,
}

/// An answer in the making, and what it needs.
pub(super) struct Making {
    model: CandleModel,
    session: Session,
    answer: Answer<Vocabulary, Box<dyn FnMut(Delta) -> bool + Send>>,
    sink: Sink,
}

impl Making {
    pub fn new(
        model: CandleModel,
        job: Job,
        mut session: Session,
        vocabulary: Arc<Vocabulary>,
        sink: Sink,
    ) -> Result<Self> {
        let listener = sink.clone();
        let send = Box::new(move |delta| listener.unbounded_send(Ok(delta)).is_ok());
        let answer = Answer::new(job, &mut session, vocabulary, send as Box<_>)?;
        Ok(Self { model, session, answer, sink })
    }

    fn fail(self, error: Error) {
        let _ = self.sink.unbounded_send(Err(self.model.named(error)));
    }

    fn keep(self) {
        self.model.keep(self.session);
    }
}

/// Makes answers until nobody can ask for more.
pub(super) fn serve(orders: &Receiver<Order>) {
    let (mut waiting, mut making) = (VecDeque::new(), Vec::<Making>::new());
    loop {
        if waiting.is_empty() && making.is_empty() {
            match orders.recv() {
                Ok(order) => waiting.push_back(order),
                Err(_) => return,
            }
        }
        while let Ok(order) = orders.try_recv() {
            waiting.push_back(order);
        }
        while making.len() < AT_ONCE
            && let Some(order) = waiting.pop_front()
        {
            making.extend(begin(order, &making));
        }
        for kernels in [Kernels::Several, Kernels::One] {
            pass(&mut making, kernels);
        }
    }
}

/// Begins an answer; nothing where nobody waits for it or it cannot be made.
fn begin(order: Order, making: &[Making]) -> Option<Making> {
    let Order { model, request, sink } = order;
    if sink.is_closed() {
        return None;
    }
    match model.begin(&request, sink.clone(), making.iter().map(|m| &m.session)) {
        Ok(begun) => begun,
        Err(error) => {
            let _ = sink.unbounded_send(Err(model.named(error)));
            None
        }
    }
}

/// One step of the answers that take these kernels, as far as they fit in a pass; those that are done are taken out.
fn pass(making: &mut Vec<Making>, kernels: Kernels) {
    let (mut feeding, mut tokens) = (Vec::new(), 0);
    for mut one in std::mem::take(making) {
        let more = one.answer.waiting();
        // What does not fit comes first next time.
        if one.answer.kernels() != kernels || (tokens > 0 && tokens + more > Session::CHUNK) {
            making.push(one);
            continue;
        }
        tokens += more;
        match one.answer.step(one.session.tokens().len()) {
            Step::Feed if !one.sink.is_closed() => feeding.push(one),
            _ => one.keep(),
        }
    }
    let listeners: Vec<Sink> = feeding.iter().map(|one| one.sink.clone()).collect();
    let stop = || listeners.iter().all(Sink::is_closed);
    let mut feeds: Vec<Feed<'_>> = feeding
        .iter_mut()
        .map(|Making { session, answer, .. }| {
            let (tokens, rows) = answer.fed();
            Feed { session, tokens, rows }
        })
        .collect();
    match feed_together(&mut feeds, kernels, &stop) {
        Ok(Some(tails)) => {
            for (mut one, mut tail) in feeding.into_iter().zip(tails) {
                match one.answer.take(&mut one.session, &mut tail) {
                    Ok(()) => making.push(one),
                    Err(error) => one.fail(error),
                }
            }
        }
        Ok(None) => feeding.into_iter().for_each(Making::keep),
        Err(error) => {
            let message = error.to_string();
            for one in feeding {
                one.fail(Error::Internal(message.clone()));
            }
        }
    }
}
