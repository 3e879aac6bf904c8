//! The thread of a model: it makes all answers that are asked for at a time, in the same passes through the layers.
//!
//! A pass reads every weight, however many tokens go through; so answers that are made together take less time than one after the
//! other. As a token's result does not depend on the tokens beside it, an answer is the same as if it were made alone.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, TryRecvError},
};

use qsef_core::{Error, Request};

use super::{
    CandleModel,
    answer::{Answer, Sink, Step},
    linear::Kernels,
    session::{CHUNK, Feed, feed_together},
};

/// Answers that are made at a time; more wait.
const AT_ONCE: usize = 8;

/// A request for an answer. It holds the model, which lives as long as somebody waits for it.
pub(super) struct Order {
    pub model: CandleModel,
    pub request: Request,
    pub sink: Sink,
}

struct Making {
    model: CandleModel,
    answer: Answer,
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
        loop {
            match orders.try_recv() {
                Ok(order) => waiting.push_back(order),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
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
    match model.begin(&request, sink.clone(), making.iter().map(|m| &m.answer.session)) {
        Ok(answer) => answer.map(|answer| Making { model, answer }),
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
        if one.answer.kernels() != kernels || (tokens > 0 && tokens + more > CHUNK) {
            making.push(one);
            continue;
        }
        tokens += more;
        match one.answer.step() {
            Step::Feed => feeding.push(one),
            Step::Done => one.model.keep(one.answer.session),
        }
    }
    let stop = {
        let wanted: Vec<_> = feeding.iter().map(|one| one.answer.listener()).collect();
        move || wanted.iter().all(|sink| sink.is_closed())
    };
    let mut feeds: Vec<Feed<'_>> = feeding
        .iter_mut()
        .map(|one| {
            let (session, tokens, rows) = one.answer.fed();
            Feed { session, tokens, rows }
        })
        .collect();
    match feed_together(&mut feeds, kernels, &stop) {
        Ok(Some(tails)) => {
            for (mut one, tail) in feeding.into_iter().zip(&tails) {
                match one.answer.take(tail) {
                    Ok(()) => making.push(one),
                    Err(error) => one.answer.fail(one.model.named(error)),
                }
            }
        }
        Ok(None) => feeding.into_iter().for_each(|one| one.model.keep(one.answer.session)),
        Err(error) => {
            let message = error.to_string();
            for one in feeding {
                one.answer.fail(one.model.named(Error::Internal(message.clone())));
            }
        }
    }
}
