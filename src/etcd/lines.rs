//! A stream of JSON messages, one on each line, as etcd's gateway sends what does not end. Must not know: what they mean.

use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::exchange::Arriving;
use super::message::Streamed;
use crate::causes;

pub(super) struct Lines {
    arriving: Arriving,
    buffer: Vec<u8>,
    /// So many bytes of the buffer have no end of a line.
    searched: usize,
}

impl Lines {
    pub(super) fn new(arriving: Arriving) -> Self {
        Self { arriving, buffer: Vec::new(), searched: 0 }
    }

    /// The next message. If the future is dropped, nothing is lost.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Streamed<T>, String> {
        loop {
            if let Some(message) = self.buffered() {
                return message;
            }
            match self.arriving.response.body_mut().frame().await {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    if self.buffer.len() + data.len() > LONGEST {
                        return Err(format!("found a message of more than {LONGEST} bytes, expected less"));
                    }
                    self.buffer.extend_from_slice(&data);
                }
                Some(Err(error)) => return Err(causes::of(&error)),
                None => return Err("it has ended the stream".into()),
            }
        }
    }

    /// The next message if it is there already.
    pub(super) fn buffered<T: DeserializeOwned>(&mut self) -> Option<Result<Streamed<T>, String>> {
        loop {
            let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return None;
            };
            let rest = self.buffer.split_off(self.searched + end + 1);
            let line = std::mem::replace(&mut self.buffer, rest);
            self.searched = 0;
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Some(serde_json::from_slice(line).map_err(|_| "found a message that is not etcd's".into()));
            }
        }
    }
}

/// In bytes. etcd cuts what is larger than its limit of a request, if it is asked to.
const LONGEST: usize = 8 << 20;
