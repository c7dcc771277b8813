//! A bounded queue whose readers sleep while it is empty. A channel's would spin first, and burn the time that answers could use
//! (docs/performance.md); and it gives all that waits at once, under one lock.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock;

/// How long a reader who expects more sleeps before it looks again.
const NAP: Duration = Duration::from_micros(50);

/// The queue.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    most: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    sleepers: usize,
    readers: usize,
    closed: bool,
}

/// A reader. When the last one has gone, by whatever way, nothing is taken in any more and nobody waits in vain.
pub(super) struct Reader<T>(Arc<Queue<T>>);

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.readers -= 1;
        if state.readers == 0 {
            state.closed = true;
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            drop(waiting); // their callers are told by that
        }
    }
}

impl<T> std::ops::Deref for Reader<T> {
    type Target = Queue<T>;

    fn deref(&self) -> &Queue<T> {
        &self.0
    }
}

/// Why something was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    /// At most so many wait.
    pub(super) fn new(most: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                sleepers: 0,
                readers: 0,
                closed: false,
            }),
            filled: Condvar::new(),
            most,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one.
    pub(super) fn push(&self, one: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= self.most {
            return Err(Refused::Full);
        }
        state.waiting.push_back(one);
        let sleeps = state.sleepers > 0;
        drop(state);
        if sleeps {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for at least one, then for as many as are `expected`, but no longer than `patience`; and moves up to `most` into `taken`.
    /// Nothing comes any more once it is closed and empty.
    pub(super) fn take(
        &self,
        most: usize,
        expected: usize,
        patience: Duration,
        taken: &mut Vec<T>,
    ) {
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.closed {
            state.sleepers += 1;
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.sleepers -= 1;
        }
        if state.waiting.len() < expected.min(most) && !patience.is_zero() && !state.closed {
            // Nobody wakes us for each that comes: that would cost more than the wait.
            let patient = clock::monotonic() + patience;
            while state.waiting.len() < expected.min(most) && !state.closed {
                let left = patient.saturating_duration_since(clock::monotonic());
                if left.is_zero() {
                    break;
                }
                drop(state);
                std::thread::sleep(left.min(NAP));
                state = self.lock();
            }
        }
        let next = state.waiting.len().min(most);
        taken.extend(state.waiting.drain(..next));
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes nothing in any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Counts a reader, until what is returned is dropped.
    pub(super) fn reader(self: &Arc<Self>) -> Reader<T> {
        self.lock().readers += 1;
        Reader(Arc::clone(self))
    }
}
