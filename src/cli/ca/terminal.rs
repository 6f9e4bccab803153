//! Asks a person at the terminal for a secret, which is not shown. Must not know: what the secret is for.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Shows the prompt, and reads a line.
pub(super) fn hidden(prompt: &str) -> io::Result<String> {
    // Not standard input, which may be a file.
    let missing = |_| io::Error::new(io::ErrorKind::NotFound, NO_TERMINAL);
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(missing)?;
    let _quiet = Quiet::new(&terminal)?;
    (&terminal).write_all(prompt.as_bytes())?;
    let line = line(&terminal);
    // The line break that was typed was not shown either.
    (&terminal).write_all(b"\n")?;
    line
}

fn line(mut terminal: &File) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut key = [0];
        // One at a time, so that what is typed after the line is left to whoever reads next.
        let read = terminal.read(&mut key)?;
        match key[0] {
            b'\r' | b'\n' => break,
            _ if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            INTERRUPT | END => {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "no passphrase was given"));
            }
            KILL => line.clear(),
            BACKSPACE | DELETE => {
                // The bytes of one character: those that continue it, and the first.
                while line.pop().is_some_and(|byte: u8| byte & 0xc0 == 0x80) {}
            }
            byte => line.push(byte),
        }
    }
    String::from_utf8(line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the passphrase is not text in UTF-8"))
}

/// A terminal that shows nothing and passes on each key, also Ctrl-C: a signal would end the process and leave the terminal
/// as it is. Dropping it restores the terminal.
struct Quiet<'t> {
    terminal: &'t File,
    before: Termios,
}

impl<'t> Quiet<'t> {
    fn new(terminal: &'t File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

const NO_TERMINAL: &str = "a passphrase is needed, and there is no terminal to ask at: name a file with --passphrase-file, or set TLSGATE_CA_PASSPHRASE";

// What a terminal sends for Ctrl-C, Ctrl-D and Ctrl-U.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const KILL: u8 = 21;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;
