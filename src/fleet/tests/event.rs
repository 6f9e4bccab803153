//! What happens in virtual time.

use crate::fleet::record::{Record, Root};
use crate::fleet::store::{Entry, Lease, Transaction, Written};

pub(super) enum Event {
    Request {
        host: usize,
        life: u64,
        session: u64,
        call: u64,
        what: Call,
    },
    Response {
        host: usize,
        life: u64,
        session: u64,
        call: u64,
        what: Reply,
    },
    Notice {
        host: usize,
        life: u64,
        session: u64,
        entries: Vec<Entry>,
    },
    Timeout {
        host: usize,
        life: u64,
        session: u64,
        call: u64,
        is_write: bool,
    },
    Local {
        host: usize,
        life: u64,
        done: Done,
    },
    KeepAlive {
        host: usize,
        life: u64,
        session: u64,
    },
    Step(usize, u64),
    Expire,
    Fault,
    Restart(usize),
    Mend(usize),
    Publish,
    /// Everything has been well for a while.
    Calm,
}

#[derive(Clone)]
pub(super) enum Call {
    Connect(Vec<String>),
    Read(Vec<String>),
    Write(Transaction),
}

pub(super) enum Reply {
    Listed(Lease, Vec<Entry>),
    Written(Option<Written>),
}

pub(super) enum Done {
    Built(Root),
    Served(Record),
}
