//! Names of transactions.

use crate::arena::Key;

/// Names a server transaction until its [`Event::Ended`](crate::Event::Ended); stale ones are harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub(super) Key);

impl ServerId {
    /// Its place: a small number that no other living transaction has, for tables of what belongs to
    /// transactions.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0.index as usize
    }

    /// Tells it from all that have had its place before.
    #[must_use]
    pub const fn serial(self) -> u32 {
        self.0.generation
    }
}

/// Names a client transaction until its [`Event::Ended`](crate::Event::Ended); stale ones are harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) Key);

impl ClientId {
    /// Its place: a small number that no other living transaction has, for tables of what belongs to
    /// transactions.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0.index as usize
    }

    /// Tells it from all that have had its place before.
    #[must_use]
    pub const fn serial(self) -> u32 {
        self.0.generation
    }
}

/// Names a transaction of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionId {
    /// One that answers.
    Server(ServerId),
    /// One that asked.
    Client(ClientId),
}

impl From<ServerId> for TransactionId {
    fn from(id: ServerId) -> Self {
        Self::Server(id)
    }
}

impl From<ClientId> for TransactionId {
    fn from(id: ClientId) -> Self {
        Self::Client(id)
    }
}
