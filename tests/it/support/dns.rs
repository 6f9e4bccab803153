//! A name server that answers as the test requires, over UDP and TCP.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::PATIENCE;

/// The records of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Srv { priority: u16, weight: u16, port: u16, target: &'static str },
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// From its records; other names do not exist.
    Good,
    ServFail,
    /// No name exists.
    NxDomain,
    /// Every name exists, and has nothing.
    Empty,
    Silent,
    Slow(Duration),
    /// FORMERR for questions with EDNS, as old name servers answer; otherwise correct.
    NoEdns,
    /// SERVFAIL for IPv6 addresses, as some name servers answer; otherwise correct.
    NoIpv6,
}

/// A running name server. It ends with the test's process.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    records: HashMap<String, Vec<Record>>,
    ttl: u32,
    mood: Mood,
    asked: usize,
    over_tcp: usize,
}

impl Dns {
    pub(crate) fn start(ttl: u32) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let state = State { records: HashMap::new(), ttl, mood: Mood::Good, asked: 0, over_tcp: 0 };
        let state = Arc::new(Mutex::new(state));
        let (for_udp, for_tcp) = (Arc::clone(&state), Arc::clone(&state));
        thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, peer)) = udp.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..length], &for_udp, false) {
                    let _ = udp.send_to(&answer, peer);
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                let state = Arc::clone(&for_tcp);
                thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn set(&self, name: &str, records: &[Record]) {
        self.state.lock().unwrap().records.insert(name.to_owned(), records.to_vec());
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// The number of questions so far.
    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    pub(crate) fn asked_over_tcp(&self) -> usize {
        self.state.lock().unwrap().over_tcp
    }
}

/// A UDP and a TCP socket on one port.
/// The same free port of 127.0.0.1 for both.
pub(crate) fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The free UDP port may be taken for TCP.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        if let Some(answer) = answer(&query, state, true) {
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
            stream.write_all(&answer)?;
        }
    }
}

fn answer(query: &[u8], state: &Mutex<State>, over_tcp: bool) -> Option<Vec<u8>> {
    let (name, end) = name(query);
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    let (records, ttl, mood) = {
        let mut state = state.lock().unwrap();
        state.asked += 1;
        state.over_tcp += usize::from(over_tcp);
        (state.records.get(&name).cloned(), state.ttl, state.mood)
    };
    let (rcode, records) = match mood {
        Mood::Silent => return None,
        Mood::ServFail => (2, Vec::new()),
        Mood::NxDomain => (3, Vec::new()),
        Mood::Empty => (0, Vec::new()),
        Mood::NoIpv6 if kind == 28 => (2, Vec::new()),
        // EDNS comes as an additional record.
        Mood::NoEdns if query[10..12] != [0, 0] => (1, Vec::new()),
        Mood::Good | Mood::Slow(_) | Mood::NoIpv6 | Mood::NoEdns => {
            records.map_or((3, Vec::new()), |records| (0, records))
        }
    };
    if let Mood::Slow(pause) = mood {
        thread::sleep(pause);
    }
    let answers: Vec<Vec<u8>> = records.iter().filter_map(|record| encoded(record, kind, ttl)).collect();
    let whole: usize = answers.iter().map(Vec::len).sum();
    let truncated = !over_tcp && whole > 1100;
    let count = if truncated { 0 } else { u16::try_from(answers.len()).unwrap() };
    // A response; recursion as desired, and available.
    let flags = [0x81 | if truncated { 0x02 } else { 0 }, 0x80 | rcode];
    let mut message = [&query[..2], &flags, &[0, 1], &count.to_be_bytes(), &[0; 4], &query[12..end + 4]].concat();
    if !truncated {
        message.extend(answers.concat());
    }
    Some(message)
}

/// The name of the question, and where it ends.
fn name(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8(query[at + 1..][..length].to_vec()).unwrap().to_lowercase());
        at += 1 + length;
    }
    (labels.join("."), at + 1)
}

fn encoded(record: &Record, wanted: u16, ttl: u32) -> Option<Vec<u8>> {
    let (kind, data) = match record {
        Record::A(address) => (1_u16, address.octets().to_vec()),
        Record::Aaaa(address) => (28, address.octets().to_vec()),
        Record::Srv { priority, weight, port, target } => {
            let mut data: Vec<u8> = [priority, weight, port].iter().flat_map(|number| number.to_be_bytes()).collect();
            for label in target.split('.').filter(|label| !label.is_empty()) {
                data.push(u8::try_from(label.len()).unwrap());
                data.extend_from_slice(label.as_bytes());
            }
            data.push(0);
            (33, data)
        }
    };
    // A pointer to the name of the question at offset 12 (RFC 1035 section 4.1.4).
    let head = [&[0xc0, 12][..], &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes()].concat();
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    (kind == wanted).then(|| [head, length.to_vec(), data].concat())
}
