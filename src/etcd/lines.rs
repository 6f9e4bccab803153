//! A stream of JSON messages, one on each line, as etcd's gateway sends what does not end. Must not know: what they mean.

use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::exchange::Arriving;
use super::message::Streamed;
use crate::causes;

pub(super) struct Lines {
    arriving: Arriving,
    buffer: Buffer,
}

impl Lines {
    pub(super) fn new(arriving: Arriving) -> Self {
        Self { arriving, buffer: Buffer::default() }
    }

    /// The next message. If the future is dropped, nothing is lost.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Streamed<T>, String> {
        loop {
            if let Some(message) = self.buffered() {
                return message;
            }
            match self.arriving.response.body_mut().frame().await {
                Some(Ok(frame)) => self.buffer.push(&frame.into_data().unwrap_or_default())?,
                Some(Err(error)) => return Err(causes::of(&error)),
                None => return Err("it has ended the stream".into()),
            }
        }
    }

    /// The next message if it is there already.
    pub(super) fn buffered<T: DeserializeOwned>(&mut self) -> Option<Result<Streamed<T>, String>> {
        self.buffer.message()
    }
}

/// What has arrived and was not taken.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// So many bytes were taken.
    taken: usize,
    /// So many have no end of a line that was not taken.
    searched: usize,
    /// Lines in a row.
    empty: usize,
}

impl Buffer {
    pub(super) fn push(&mut self, data: &[u8]) -> Result<(), String> {
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        if self.bytes.len() + data.len() > LONGEST {
            return Err(format!("found a message of more than {LONGEST} bytes, expected less"));
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// The message on the next line that is whole.
    pub(super) fn message<T: DeserializeOwned>(&mut self) -> Option<Result<Streamed<T>, String>> {
        loop {
            let Some(end) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.bytes.len();
                return None;
            };
            let line = self.bytes[self.taken..self.searched + end].trim_ascii();
            self.searched += end + 1;
            self.taken = self.searched;
            if !line.is_empty() {
                self.empty = 0;
                return Some(serde_json::from_slice(line).map_err(|_| "found a message that is not etcd's".into()));
            }
            self.empty += 1;
            if self.empty > MOST_EMPTY {
                return Some(Err(format!("found more than {MOST_EMPTY} empty lines in a row, expected messages")));
            }
        }
    }
}

/// In bytes. etcd cuts what is larger than its limit of a request, if it is asked to.
const LONGEST: usize = 8 << 20;

/// etcd sends none.
const MOST_EMPTY: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::super::message::WatchResponse;
    use super::*;

    fn revisions(buffer: &mut Buffer) -> Vec<i64> {
        let next = || buffer.message::<WatchResponse>();
        std::iter::from_fn(next)
            .map(|message| match message {
                Ok(Streamed::Result(response)) => response.header.revision.0,
                Ok(Streamed::Error(error)) => panic!("{:?}", error.message),
                Err(why) => panic!("{why}"),
            })
            .collect()
    }

    #[test]
    fn messages_are_found_wherever_they_are_cut() {
        let text: Vec<u8> = (1..=9)
            .flat_map(|number| {
                format!("{{\"result\":{{\"header\":{{\"revision\":\"{number}\"}}}}}}\r\n\n").into_bytes()
            })
            .collect();
        for size in 1..text.len() {
            let (mut buffer, mut found) = (Buffer::default(), Vec::new());
            for piece in text.chunks(size) {
                buffer.push(piece).unwrap();
                found.extend(revisions(&mut buffer));
            }
            assert!(found.into_iter().eq(1..=9), "{size}");
        }
    }

    #[test]
    fn empty_lines_without_end_end_the_stream() {
        let mut buffer = Buffer::default();
        let mut ended = None;
        for _ in 0..10 {
            buffer.push(&[b'\n'; 500]).unwrap();
            ended = ended.or(buffer.message::<WatchResponse>());
        }
        assert!(matches!(ended, Some(Err(why)) if why.contains("empty lines")));
    }

    #[test]
    fn what_was_taken_is_not_copied_for_each_line() {
        // With a copy of the rest for each line these are 80 GB.
        let text = b"{\"result\":{}}\n".repeat(100_000);
        let mut buffer = Buffer::default();
        buffer.push(&text).unwrap();
        assert_eq!(revisions(&mut buffer).len(), 100_000);
        let mut buffer = Buffer::default();
        buffer.push(&vec![b'x'; LONGEST]).unwrap();
        assert!(buffer.message::<WatchResponse>().is_none());
        assert!(buffer.push(b"x").unwrap_err().contains("expected less"));
    }
}
