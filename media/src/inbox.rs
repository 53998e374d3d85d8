//! Commands on their way to a media thread.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Commands to one session or room, in order; they stay with it when it moves to another thread.
pub(crate) struct Inbox<C>(Mutex<Queue<C>>);

struct Queue<C> {
    commands: VecDeque<C>,
    /// Somebody was told that there is something here.
    noticed: bool,
    /// The handle is gone: what stands here is carried out, nothing more will come.
    closed: bool,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pushed {
    /// It is lost.
    Full,
    /// It waits, and the thread has to be told.
    Notify,
    /// It waits, and the thread knows.
    Waits,
}

/// What an inbox has next.
pub(crate) enum Popped<C> {
    /// The handle is gone, and all it said was carried out.
    Closed,
    /// A command.
    Command(C),
    /// Nothing now.
    Nothing,
}

impl<C> Inbox<C> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Queue {
            commands: VecDeque::new(),
            noticed: false,
            closed: false,
        }))
    }

    pub(crate) fn push(&self, command: C) -> Pushed {
        let mut queue = self.queue();
        if queue.commands.len() >= COMMANDS_MAX {
            return Pushed::Full;
        }
        queue.commands.push_back(command);
        notice(&mut queue)
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&self) -> Pushed {
        let mut queue = self.queue();
        queue.closed = true;
        notice(&mut queue)
    }

    pub(crate) fn pop(&self) -> Popped<C> {
        let mut queue = self.queue();
        if let Some(command) = queue.commands.pop_front() {
            return Popped::Command(command);
        }
        queue.noticed = false;
        if queue.closed {
            Popped::Closed
        } else {
            Popped::Nothing
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notice<C>(queue: &mut Queue<C>) -> Pushed {
    if std::mem::replace(&mut queue.noticed, true) {
        Pushed::Waits
    } else {
        Pushed::Notify
    }
}

/// Commands that wait for the media thread, which looks at least every 20 ms. A call says a handful
/// in a second.
const COMMANDS_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_told_once() {
        let inbox = Inbox::new();
        assert_eq!(inbox.push(1), Pushed::Notify);
        assert_eq!(inbox.push(2), Pushed::Waits);
        assert!(matches!(inbox.pop(), Popped::Command(1)));
        assert_eq!(inbox.push(3), Pushed::Waits);
        assert!(matches!(inbox.pop(), Popped::Command(2)));
        assert!(matches!(inbox.pop(), Popped::Command(3)));
        assert!(matches!(inbox.pop(), Popped::Nothing));
        assert_eq!(inbox.push(4), Pushed::Notify);
    }

    #[test]
    fn full_and_closed() {
        let inbox = Inbox::new();
        let kept = (0..1000)
            .filter(|number| inbox.push(*number) != Pushed::Full)
            .count();
        assert_eq!(kept, COMMANDS_MAX);
        inbox.close();
        for _ in 0..COMMANDS_MAX {
            assert!(matches!(inbox.pop(), Popped::Command(_)));
        }
        assert!(matches!(inbox.pop(), Popped::Closed));
    }
}
