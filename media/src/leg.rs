//! A session as its worker has it.

use std::sync::Arc;

use crate::Sink;
use crate::link::Held;
use crate::ports::Pair;
use crate::session::SessionShared;

pub(crate) struct Leg {
    pub(crate) shared: Arc<SessionShared>,
    _pair: Pair,
    _sink: Box<dyn Sink>,
    _held: Held,
}

impl Leg {
    pub(crate) fn new(
        shared: Arc<SessionShared>,
        pair: Pair,
        sink: Box<dyn Sink>,
        held: Held,
        _random: u128,
    ) -> Self {
        Self {
            shared,
            _pair: pair,
            _sink: sink,
            _held: held,
        }
    }
}
