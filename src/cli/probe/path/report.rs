//! Which ClientHellos were answered, for text and JSON. Must not know: how they were sent, what follows from it.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::cli::probe::stamp::Stamp;
use crate::tls::wire::{alert, codes};

#[derive(Debug, Serialize)]
pub(in crate::cli::probe) struct Report {
    #[serde(flatten)]
    pub(in crate::cli::probe) stamp: Stamp,
    pub(in crate::cli::probe) target: String,
    pub(in crate::cli::probe) server_name: Option<String>,
    /// A small and plain ClientHello in one piece.
    pub(in crate::cli::probe) control: Tried,
    pub(in crate::cli::probe) trials: Vec<Tried>,
    pub(in crate::cli::probe) conclusions: Vec<Conclusion>,
}

/// One ClientHello, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli::probe) struct Tried {
    pub(in crate::cli::probe) content: Content,
    pub(in crate::cli::probe) delivery: Delivery,
    /// Of the handshake message.
    pub(in crate::cli::probe) bytes: usize,
    /// The column that it belongs to: its length, or the next larger one of [`SIZES`].
    #[serde(skip)]
    pub(in crate::cli::probe) size: usize,
    pub(in crate::cli::probe) fate: Fate,
    /// From the last byte sent to the first byte of the answer, or to the end.
    #[serde(rename = "milliseconds", serialize_with = "as_milliseconds")]
    pub(in crate::cli::probe) took: Duration,
}

/// What is special about its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli::probe) enum Content {
    Plain,
    /// Values that no server knows (RFC 8701).
    Grease,
    /// A post-quantum key share, of X25519MLKEM768.
    PostQuantum,
    /// The recorded hello of the Chromium that `explain` knows: both of these, and all its extensions, in its own length.
    Chromium,
}

/// How it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli::probe) enum Delivery {
    /// One record, in one piece.
    Whole,
    /// One record, in two pieces.
    FirstByte,
    RecordHeader,
    MessageHeader,
    ServerName,
    KeyShare,
    LastByte,
    /// After as many bytes as a TCP segment usually carries.
    Mtu,
    /// One record, in pieces of 512 bytes.
    Pieces,
    /// Several records, in one piece.
    HeaderRecord,
    TwoRecords,
    ManyRecords,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::probe) enum Fate {
    /// A ServerHello or a HelloRetryRequest of that version.
    Answered(u16),
    Alert(u8),
    /// The connection took no more bytes, within the time for it.
    Unsent,
    Silent,
    Reset,
    Closed,
    Garbage(String),
}

/// What the fates suggest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli::probe) struct Conclusion {
    /// What dies.
    pub(in crate::cli::probe) finding: String,
    /// Where that is likely to happen.
    pub(in crate::cli::probe) likely: String,
}

impl Fate {
    /// Whether somebody who speaks TLS has answered.
    pub(in crate::cli::probe) fn arrives(&self) -> bool {
        matches!(self, Self::Answered(_) | Self::Alert(_))
    }

    /// In a sentence.
    pub(in crate::cli::probe) fn shown(&self) -> String {
        match self {
            Self::Answered(version) => format!("answered with {}", codes::version_name(*version)),
            Self::Alert(code) => format!("alert {}", alert::name((*code).into())),
            Self::Unsent => "not all of it could be sent in time".into(),
            Self::Silent => "silence".into(),
            Self::Reset => "the connection is reset".into(),
            Self::Closed => "the connection is closed".into(),
            Self::Garbage(why) => why.clone(),
        }
    }

    /// In a table.
    pub(in crate::cli::probe) fn word(&self) -> &'static str {
        match self {
            Self::Answered(_) => "arrives",
            Self::Alert(_) => "refused",
            Self::Unsent => "UNSENT",
            Self::Silent => "DIES",
            Self::Reset => "RESET",
            Self::Closed => "CLOSED",
            Self::Garbage(_) => "NOT TLS",
        }
    }
}

impl Serialize for Fate {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.shown())
    }
}

impl Content {
    pub(in crate::cli::probe) fn shown(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Grease => "with GREASE",
            Self::PostQuantum => "with a key share of X25519MLKEM768",
            Self::Chromium => "as Chromium sends it",
        }
    }
}

impl Delivery {
    pub(in crate::cli::probe) const ALL: [Self; 12] = [
        Self::Whole,
        Self::FirstByte,
        Self::RecordHeader,
        Self::MessageHeader,
        Self::ServerName,
        Self::KeyShare,
        Self::LastByte,
        Self::Mtu,
        Self::Pieces,
        Self::HeaderRecord,
        Self::TwoRecords,
        Self::ManyRecords,
    ];

    pub(in crate::cli::probe) fn shown(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::FirstByte => "two segments, cut after the first byte",
            Self::RecordHeader => "two segments, cut after the record's header",
            Self::MessageHeader => "two segments, cut after the message's header",
            Self::ServerName => "two segments, cut within the server name",
            Self::KeyShare => "two segments, cut within the key share",
            Self::LastByte => "two segments, cut before the last byte",
            Self::Mtu => "two segments, cut after 1400 bytes",
            Self::Pieces => "segments of 512 bytes",
            Self::HeaderRecord => "two records, cut after the message's header",
            Self::TwoRecords => "two records, cut in the middle",
            Self::ManyRecords => "records of 128 bytes",
        }
    }

    /// Whether it is cut into TCP segments.
    pub(in crate::cli::probe) fn is_segments(self) -> bool {
        !matches!(self, Self::Whole) && !self.is_records()
    }

    /// Whether it is cut into records.
    pub(in crate::cli::probe) fn is_records(self) -> bool {
        matches!(self, Self::HeaderRecord | Self::TwoRecords | Self::ManyRecords)
    }
}

fn as_milliseconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64((time.as_secs_f64() * 10_000.0).round() / 10.0)
}

/// The lengths of messages, in bytes.
pub(in crate::cli::probe) const SIZES: [usize; 4] = [512, 1536, 4096, 16_384];
