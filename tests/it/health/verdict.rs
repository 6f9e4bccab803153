//! When a server is up and when it is down, and that this is reported.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{becomes, down_for, metrics, server, stage};
use crate::support::backend::Backend;
use crate::support::by_hand::Refusing;
use crate::support::procfs::eventually;

#[test]
fn a_server_that_refuses_is_down_and_comes_up_when_it_accepts() {
    let (up, down) = (Backend::echo(), Refusing::new());
    let stage = stage(&[up.address, down.address], "type = \"tcp\"", "");
    becomes(&stage, 0, "up");
    down_for(&stage, 1, "connection refused");
    let text = metrics(&stage);
    for (server, value) in [(up.address, 1), (down.address, 0)] {
        let series = format!("tlsgate_backend_up{{backend=\"servers\",server=\"{server}\"}} {value}");
        assert!(text.contains(&series), "{series} is not in {text}");
    }
    for (server, result) in [(up.address, "passed"), (down.address, "connect")] {
        let labels = format!("{{backend=\"servers\",result=\"{result}\",server=\"{server}\"}}");
        assert!(text.contains(&format!("tlsgate_backend_health_checks_total{labels}")), "{text}");
    }
    let line = stage.proxy.log_line("server is down");
    assert!(line.contains(&format!("backend=servers server={}", down.address)) && line.contains("refused"), "{line}");
    let address = down.address;
    drop(down);
    let _listening = std::net::TcpListener::bind(address).unwrap();
    becomes(&stage, 1, "up");
    stage.proxy.log_line("server is up");
}

#[test]
fn a_tcp_check_is_over_before_the_server_notices_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let stage = stage(&[address], "type = \"tcp\"", "");
    let series =
        format!("tlsgate_backend_health_checks_total{{backend=\"servers\",result=\"passed\",server=\"{address}\"}} ");
    let passed = || {
        let text = metrics(&stage);
        let value = text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned);
        value.and_then(|value| value.parse::<usize>().ok()).unwrap_or(0)
    };
    eventually("twenty checks", || (passed() >= 20).then_some(()));
    // One may come through if this machine is too slow to reset it in time; none of them stays.
    let accepted = std::iter::from_fn(|| listener.accept().ok()).count();
    assert!(accepted < 10, "{accepted}");
    assert_eq!(server(&stage, 0)["health"], "up");
}

#[test]
fn a_server_that_accepts_and_sends_nothing_passes_tcp_and_no_other_check() {
    let silent = Backend::start(|mut stream| stream.read_to_end(&mut Vec::new()));
    for (health, passes) in [
        ("type = \"tcp\"", true),
        ("type = \"tls\", verify = false", false),
        ("type = \"http\"", false),
        ("type = \"ldap\"", false),
        ("type = \"ldap\", start_tls = true, verify = false", false),
    ] {
        let stage = stage(&[silent.address], &format!("{health}, timeout = \"200ms\""), "");
        match passes {
            true => drop(becomes(&stage, 0, "up")),
            false => down_for(&stage, 0, "no answer within 200ms"),
        }
    }
}

#[test]
fn it_takes_several_checks_in_a_row_to_change_what_is_known() {
    // Every third check fails, which is never two in a row.
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let flaky = Backend::start(move |mut stream| {
        let answer: &[u8] = match counted.fetch_add(1, Ordering::Relaxed) % 3 {
            2 => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.1 200 Yes\r\nContent-Length: 0\r\n\r\n",
        };
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        stream.write_all(answer)
    });
    let stage = stage(&[flaky.address], "type = \"http\", rise = 2, fall = 2", "");
    eventually("thirty checks", || (count.load(Ordering::Relaxed) >= 30).then_some(()));
    assert_eq!(server(&stage, 0)["health"], "up");
    assert!(!stage.proxy.log().contains("server is down"), "{}", stage.proxy.log());
    assert!(metrics(&stage).contains("result=\"answer\""));
}

#[test]
fn a_server_that_comes_and_goes_does_not_fill_the_log() {
    let up = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&up);
    let flapping = Backend::start(move |mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        // Another answer each time.
        match now.fetch_xor(true, Ordering::Relaxed) {
            true => stream.write_all(b"HTTP/1.1 200 Yes\r\nContent-Length: 0\r\n\r\n"),
            false => stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    let stage = stage(&[flapping.address], "type = \"http\", rise = 1, fall = 1", "");
    let answers = || {
        let text = metrics(&stage);
        let line = text.lines().find(|line| line.contains("result=\"answer\""))?;
        line.rsplit(' ').next()?.parse::<usize>().ok().filter(|count| *count >= 20)
    };
    eventually("it has come and gone twenty times", answers);
    let log = stage.proxy.log();
    let changes = log.lines().filter(|line| line.contains("server is ")).count();
    assert!((1..=4).contains(&changes), "{log}");
}
