//! Frames that wait to be sent: what others put on a connection's queue.
//!
//! Owns: the queue, its weight, and how a connection is told to end. Never: writes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::Notify;

use crate::message::Frame;

/// A stream waits with its next frame while more than this many bytes wait to be sent.
const STREAM_ROOM: usize = 1 << 20;

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// When everything that waits has been sent.
    AfterSending,
    /// At once.
    Now,
    /// At once: events come faster than the peer takes them.
    TooSlow,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    waker: Option<Waker>,
    end: Option<End>,
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Bytes not yet sent, including those of the connection's own task.
    weight: AtomicUsize,
    ending: AtomicBool,
    closed: AtomicBool,
    /// Told when there is room again, and when the connection closed.
    changed: Notify,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(mut waiting: MutexGuard<'_, Waiting>) {
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Queues a frame. Of a closed connection it is dropped.
    pub(crate) fn push(&self, frame: Frame) {
        self.push_with(frame, || ());
    }

    /// Queues a frame and does something that the connection's task must see together with it.
    pub(crate) fn push_with(&self, frame: Frame, also: impl FnOnce()) {
        let mut waiting = self.lock();
        if !self.is_closed() {
            self.weight.fetch_add(frame.weight(), Ordering::Relaxed);
            waiting.frames.push_back(frame);
        }
        also();
        Self::wake(waiting);
    }

    /// Wakes the connection's task: something it waits for may have changed.
    pub(crate) fn nudge(&self) {
        Self::wake(self.lock());
    }

    /// Asks the connection to end; a stronger wish stays.
    pub(crate) fn end(&self, end: End) {
        self.ending.store(true, Ordering::Release);
        let mut waiting = self.lock();
        if waiting.end.is_none_or(|earlier| earlier == End::AfterSending) {
            waiting.end = Some(end);
        }
        Self::wake(waiting);
    }

    /// Whether it was asked to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Bytes that wait to be sent.
    pub(crate) fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    /// Moves what waits to `out`, has the task of `cx` woken at the next change, and says how the
    /// connection is to end.
    pub(crate) fn collect(&self, cx: Option<&mut Context<'_>>, out: &mut VecDeque<Frame>) -> Option<End> {
        let mut waiting = self.lock();
        out.append(&mut waiting.frames);
        if let Some(cx) = cx
            && !waiting.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            waiting.waker = Some(cx.waker().clone());
        }
        waiting.end
    }

    /// Takes note of a frame that the connection's own task queues.
    pub(crate) fn own(&self, frame: &Frame) {
        self.weight.fetch_add(frame.weight(), Ordering::Relaxed);
    }

    /// Takes note of a frame that was sent completely.
    pub(crate) fn sent(&self, frame: &Frame) {
        let before = self.weight.fetch_sub(frame.weight(), Ordering::Relaxed);
        if before > STREAM_ROOM {
            self.changed.notify_waiters();
        }
    }

    /// The connection is gone: frames are dropped, whoever waits is told.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        self.closed.store(true, Ordering::Release);
        waiting.frames.clear();
        waiting.waker = None;
        drop(waiting);
        self.changed.notify_waiters();
    }

    /// Whether the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    async fn until(&self, done: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if done() {
                return;
            }
            changed.await;
        }
    }

    /// Waits until there is room for another frame of a stream, or the connection is gone.
    pub(crate) async fn room(&self) {
        self.until(|| self.weight() <= STREAM_ROOM || self.is_closed()).await;
    }

    /// Waits until the connection is gone.
    pub(crate) async fn closed(&self) {
        self.until(|| self.is_closed()).await;
    }
}
