//! What a configuration costs by its size: to read and validate it, to build a snapshot of it, and to reload it with
//! one change. Each size is twice the one before: linear work takes twice the time, quadratic work takes four times.
//! Run by hand: `cargo bench --bench configuration`. It asserts nothing about time.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tlsgate::config;
use tlsgate::config::located::ConfigError;
use tlsgate::config::validate::Config;
use tlsgate::net::address::Address;
use tlsgate::reload::build::{Origin, Ready};
use tlsgate::reload::report::Report;
use tlsgate::reload::sockets::Sockets;
use tlsgate::reload::{Cause, Reloader};
use tlsgate::snapshot::Snapshot;
use tlsgate::tls::certificate::store::Trust;

const SIZES: [usize; 5] = [500, 1000, 2000, 4000, 8000];
/// The minimum of that many rounds counts: other work on the machine only adds to it.
const ROUNDS: usize = 3;

/// Builds a configuration of a given size.
type Shape = fn(usize) -> String;

const SHAPES: [(&str, Shape); 8] = [
    ("listeners, each with a backend", listeners),
    ("routes of one listener, terminated", terminated),
    ("routes of one listener, each with certificates of its own", with_certificates),
    ("routes of one listener, all of whose clients show certificates", with_client_auth),
    ("routes of one listener, each passed through to a backend", passed),
    ("routes without a name of their own", nameless),
    ("names of one route, in one line", names),
    ("servers of one backend, in one line", servers),
];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    fs::write(folder.path().join("a.pem"), pair.cert.pem() + &pair.signing_key.serialize_pem()).unwrap();
    println!("milliseconds of processor time, and how many times the ones for half the size");
    for (what, shape) in SHAPES {
        println!("\n{what}\n{:>8} | {:>16} | {:>16} | {:>16}", "size", "read, validate", "build", "reload");
        let mut before: Option<[f64; 3]> = None;
        for size in SIZES {
            let now = costs(&shape(size), folder.path());
            let shown = (0..3).map(|at| match before {
                Some(before) => format!("{:>8.1} x {:>5.1}", now[at], now[at] / before[at]),
                None => format!("{:>8.1}        ", now[at]),
            });
            println!("{size:>8} | {}", shown.collect::<Vec<_>>().join(" | "));
            before = Some(now);
        }
    }
}

fn costs(text: &str, folder: &Path) -> [f64; 3] {
    let path = folder.join("tlsgate.toml");
    let read = least(|| drop(config::parse(text, folder).unwrap()));
    let config = config::parse(text, folder).unwrap();
    let now = jiff::Timestamp::now();
    let build = least(|| drop(Snapshot::build(&config, &Snapshot::default(), Trust::Bytes, now).unwrap()));
    let first = Ready::first(config).unwrap();
    let mut reloader = Reloader::start(Origin::File(path.clone()), first, |_| NoSockets).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut round = 0;
    let reload = least(|| {
        round += 1;
        fs::write(&path, format!("runtime.shutdown_timeout = \"{round}s\"\n{text}")).unwrap();
        reloader.begin(Cause::Change);
        assert!(matches!(runtime.block_on(reloader.finished()), Report::Swapped(_)));
    });
    [read, build, reload]
}

/// It binds nothing.
struct NoSockets;

impl Sockets for NoSockets {
    type Prepared = ();

    fn prepare(&mut self, _config: &Config) -> Result<(), Vec<ConfigError>> {
        Ok(())
    }

    fn commit(&mut self, (): ()) {}

    fn addresses(&self) -> Vec<(Arc<str>, Address)> {
        Vec::new()
    }
}

fn listeners(size: usize) -> String {
    let mut text = String::new();
    for number in 0..size {
        let head = format!("[[listener]]\nname = \"l{number}\"\nlisten = \"127.0.0.1:{}\"\n", 20_000 + number);
        let tail = format!("backend = \"b{number}\"\n[backend.b{number}]\nservers = [\"127.0.0.1:9\"]\n");
        write!(text, "{head}certificates = [\"a.pem\"]\n{tail}").unwrap();
    }
    text
}

fn with_routes(size: usize, route: impl Fn(usize) -> String) -> String {
    let mut text = String::from(
        "[backend.b]\nservers = [\"127.0.0.1:9\"]\n[[listener]]\nname = \"main\"\nlisten = \"127.0.0.1:0\"\n\
         certificates = [\"a.pem\"]\nbackend = \"b\"\n",
    );
    for number in 0..size {
        write!(text, "[[listener.route]]\n{}\n", route(number)).unwrap();
    }
    text
}

fn terminated(size: usize) -> String {
    with_routes(size, |number| format!("server_names = [\"h{number}.test\"]"))
}

fn with_certificates(size: usize) -> String {
    with_routes(size, |number| format!("server_names = [\"h{number}.test\"]\ncertificates = [\"a.pem\"]"))
}

fn with_client_auth(size: usize) -> String {
    let text = terminated(size);
    text.replacen("[[listener.route]]", "client_auth = { mode = \"require\", ca = \"a.pem\" }\n[[listener.route]]", 1)
}

fn passed(size: usize) -> String {
    let mut text = with_routes(size, |number| {
        format!("server_names = [\"h{number}.test\"]\nmode = \"passthrough\"\nbackend = \"b{number}\"")
    });
    for number in 0..size {
        write!(text, "[backend.b{number}]\nservers = [\"127.0.0.1:9\"]\n").unwrap();
    }
    text
}

fn nameless(size: usize) -> String {
    with_routes(size, |number| format!("server_names = [\"same.test\"]\nclient_alpn = [\"p{number}\"]"))
}

fn names(size: usize) -> String {
    let names: Vec<String> = (0..size).map(|number| format!("\"h{number}.test\"")).collect();
    with_routes(1, |_| format!("server_names = [{}]", names.join(", ")))
}

fn servers(size: usize) -> String {
    let server = |number: usize| format!("\"10.0.{}.{}:9\"", number / 250, number % 250);
    let servers = (0..size).map(server).collect::<Vec<_>>().join(", ");
    with_routes(0, |_| String::new()).replacen("\"127.0.0.1:9\"", &servers, 1)
}

/// The minimal processor time of this process, in milliseconds.
fn least(mut work: impl FnMut()) -> f64 {
    let spent = || Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap());
    let rounds = (0..ROUNDS).map(|_| {
        let before = spent();
        work();
        (spent() - before).as_secs_f64() * 1000.0
    });
    rounds.fold(f64::INFINITY, f64::min)
}
