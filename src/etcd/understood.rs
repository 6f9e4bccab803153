//! Any bytes as each kind of answer, as the client understands them: for who has bytes that no member sends. Must not know:
//! how a member is asked.

use super::answer;
use super::lines::Buffer;
use super::message::{LeaseResponse, RangeRequest, RangeResponse, Streamed, WatchResponse};
use super::pages::{Pages, RECORDS};
use super::refusal;
use super::value::{Blob, Words};
use crate::fleet::store::Written;

/// Pages of a range from one key up to another one, separated by line breaks: how many keys they have.
pub fn pages(from: &[u8], end: &[u8], bodies: &[u8]) -> Result<usize, String> {
    let (mut pages, mut count) = (Pages::new(RECORDS), 0);
    let range = RangeRequest { key: Blob(from.to_vec()), range_end: Blob(end.to_vec()), ..RangeRequest::default() };
    pages.begin("", &range);
    for body in bodies.split(|byte| *byte == b'\n') {
        let (found, next) = pages.take(answer::read::<RangeResponse>(body)?)?;
        count += found.len();
        if next.is_none() {
            break;
        }
    }
    Ok(count)
}

/// The answer to a transaction.
pub fn written(body: &[u8]) -> Written {
    answer::written(body).map_or(Written::Unknown, |(written, _)| written)
}

/// The answer to the renewal of a lease.
pub fn renewed(body: &[u8]) -> Result<i64, String> {
    answer::streamed(body).map(|answer: LeaseResponse| answer.seconds.0)
}

/// An error, also one in a stream.
pub fn refused(status: u16, body: &[u8]) -> String {
    format!("{:?} {:?}", refusal::of_answer(status, body), refusal::of_stream(body))
}

/// What a watch reports, in pieces: how many events.
pub fn watched<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Result<usize, String> {
    let (mut buffer, mut count) = (Buffer::default(), 0);
    for piece in pieces {
        buffer.push(piece)?;
        while let Some(message) = buffer.message::<WatchResponse>() {
            match message? {
                Streamed::Result(response) => {
                    answer::plausible(&response.header)?;
                    count += response.events.0.len();
                }
                Streamed::Error(error) => return Err(Words::of(error.reason()).0),
            }
        }
    }
    Ok(count)
}
