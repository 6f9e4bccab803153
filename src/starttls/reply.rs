//! What a server of a mail protocol answers, line by line. Must not know: which protocol it is.

use std::borrow::Cow;

use crate::starttls::line;

/// One complete line of a server, and whether bytes follow it.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub text: Cow<'a, str>,
    is_last: bool,
}

/// The complete lines at the beginning of what a server has sent. An error is the reason why it is not the protocol.
pub(super) fn lines(received: &[u8]) -> Result<Vec<Line<'_>>, String> {
    let (mut lines, mut rest) = (Vec::new(), received);
    while let Some((line, after)) = line::first(rest, LONGEST).map_err(|error| format!("the server sends {error}"))? {
        lines.push(Line { text: String::from_utf8_lossy(line), is_last: after.is_empty() });
        rest = after;
    }
    match received.len() > MOST {
        true => Err(format!("the server sends more than {MOST} bytes before TLS")),
        false => Ok(lines),
    }
}

impl Line<'_> {
    /// `true` if the answer ends with this line, as it must. Bytes after it were sent before they were asked for: an
    /// attacker may have added them, so that they are taken for what the server sent through TLS.
    pub(super) fn ends(&self) -> Result<bool, String> {
        if self.is_last { Ok(true) } else { Err("the server continues in clear text after its answer".into()) }
    }

    /// The line as a part of a message: short, and in quotes.
    pub(super) fn shown(&self) -> String {
        format!("{:?}", self.text.chars().take(LONGEST_SHOWN).collect::<String>())
    }
}

/// The longest line in bytes. RFC 5321 and RFC 2449 allow 512; a greeting of IMAP has all capabilities.
const LONGEST: usize = 4096;
/// The most bytes of one answer.
const MOST: usize = 16 * 1024;
/// How many characters of a server's line are used in a message.
const LONGEST_SHOWN: usize = 200;
