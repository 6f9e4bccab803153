//! The keeper as others see it: its status, and what it can be asked for. Must not know: how it does that.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::asked::{Outcome, Refused, Which};
use super::board::Board;
use super::house::Plan;
use super::post::{Message, Wish};
use crate::acme::status::Status;

/// Shows the status, and asks for certificates. After the keeper's end, the last status stays.
#[derive(Clone)]
pub struct Handle {
    board: Arc<Board>,
    /// Unbounded: reloads and operators are few.
    messages: mpsc::UnboundedSender<Message>,
}

impl Handle {
    pub(super) fn new(board: Arc<Board>, messages: mpsc::UnboundedSender<Message>) -> Self {
        Self { board, messages }
    }

    /// What is shown is about this plan at once; it is followed soon.
    pub(super) fn follow(&self, plan: Plan) {
        self.board.follow(&plan.settings);
        self.send(Message::Follow(plan));
    }

    /// What is known now.
    pub fn status(&self) -> Arc<Status> {
        self.board.status()
    }

    /// Orders certificates now, one after the other, and waits until all orders have ended. If nobody waits any longer, the
    /// orders go on; whoever asks again for the same certificates meanwhile waits for the same orders.
    pub async fn renew(&self, which: Which) -> Result<Vec<Outcome>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Wish(Wish::Renew(which, Instant::now(), reply)));
        answer.await.unwrap_or(Err(Refused::Ended))
    }

    /// Asks the authorities to revoke certificates. `reason` is a code of RFC 5280 section 5.3.1. Others are ordered at once.
    pub async fn revoke(&self, which: Which, reason: Option<u8>) -> Result<Vec<Outcome>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Wish(Wish::Revoke(which, reason, reply)));
        answer.await.unwrap_or(Err(Refused::Ended))
    }

    /// Gives the account at an authority another key.
    pub async fn rollover(&self, authority: &str) -> Result<(), Refused> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Wish(Wish::RollOver(authority.to_owned(), reply)));
        answer.await.unwrap_or(Err(Refused::Ended))
    }

    /// If the keeper has ended, the message is dropped, and with it the way of the answer.
    fn send(&self, message: Message) {
        let _ = self.messages.send(message);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(…)")
    }
}
