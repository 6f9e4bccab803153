//! The client against a member that answers whatever a test wants.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Etcd, Settings, Trouble};
use crate::fleet::store::{Change, Transaction, Written};

/// What it answers to its nth request.
type Answers = dyn Fn(usize) -> (u16, String) + Send + Sync;

/// A member, and how long it takes for each answer.
async fn member(pause: Duration, answers: impl Fn(usize) -> (u16, String) + Send + Sync + 'static) -> Etcd {
    let endpoints = vec![started(pause, answers).await];
    let timeout = Duration::from_millis(if pause.is_zero() { 20_000 } else { 200 });
    let settings = Settings { endpoints, prefix: "/p".into(), ca: None, identity: None, user: None, timeout };
    Etcd::new(&settings).unwrap()
}

/// The URL of a member.
async fn started(pause: Duration, answers: impl Fn(usize) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Arc<Answers> = Arc::new(answers);
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((stream, _)) = listener.accept().await {
            // One client comes with one request after the other.
            while_it_lasts(stream, pause, &mut count, &*answers).await;
        }
    });
    url
}

async fn while_it_lasts(stream: TcpStream, pause: Duration, count: &mut usize, answers: &Answers) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        tokio::time::sleep(pause).await;
        let (status, text) = answers(*count);
        *count += 1;
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", text.len());
        if stream.write_all(&[head.as_bytes(), text.as_bytes()].concat()).await.is_err() {
            return;
        }
    }
}

fn page(number: usize, size: usize) -> (u16, String) {
    let (key, value) = (STANDARD.encode(format!("/p/control/{number:012}")), STANDARD.encode(vec![7; size]));
    let kv = format!(r#"{{"key":"{key}","value":"{value}","mod_revision":"3","lease":"9"}}"#);
    (200, format!(r#"{{{HEADER},"kvs":[{kv}],"more":true}}"#))
}

async fn refused(etcd: &Etcd) -> String {
    match etcd.read(&["control/".to_owned()]).await {
        Err(Trouble::Refused(why) | Trouble::Unreachable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_without_end_end_at_a_bound_that_is_named() {
    let why = refused(&member(Duration::ZERO, |number| page(number, 1 << 20)).await).await;
    assert!(why.contains("control/: found 8") && why.contains("expected at most 8388608 bytes"), "{why}");

    let why = refused(&member(Duration::ZERO, |_| page(0, 0)).await).await;
    assert!(why.contains("found the key \"/p/control/000000000000\", expected"), "{why}");

    // Each answer comes in time, and there are days of them.
    let why = refused(&member(Duration::from_millis(50), |number| page(number, 0)).await).await;
    assert!(why.contains("control/: found no end within"), "{why}");
}

#[tokio::test]
async fn answers_that_are_too_large_are_named_and_not_kept() {
    let large = format!(r#"{{{HEADER},"kvs":[{{"value":"{}"}}]}}"#, "A".repeat(13 << 20));
    let why = refused(&member(Duration::ZERO, move |_| (200, large.clone())).await).await;
    assert!(why.contains("cannot read \"control/\": found an answer of more than 1220"), "{why}");

    let many = format!(r#"{{{HEADER},"kvs":[{}{{}}]}}"#, "{},".repeat(1_000));
    let why = refused(&member(Duration::ZERO, move |_| (200, many.clone())).await).await;
    assert!(why.contains("that is not etcd's"), "{why}");

    for (status, error) in [
        (500, format!(r#"{{"error":[{}0]}}"#, "0,".repeat(1_000_000))),
        (400, format!(r#"{{"code":3,"message":"{}"}}"#, "A".repeat(200_000))),
        (400, format!(r#"{{"code":3,"message":"{}"}}"#, "A\u{7f}".repeat(20_000))),
    ] {
        let why = refused(&member(Duration::ZERO, move |_| (status, error.clone())).await).await;
        assert!(why.len() < 2_000 && !why.contains('\u{7f}'), "{why}");
    }
}

#[tokio::test]
async fn absurd_revisions_are_refused() {
    for revision in ["9223372036854775807", "-5"] {
        let answer = format!(r#"{{"header":{{"cluster_id":"7","revision":"{revision}"}}}}"#);
        let etcd = member(Duration::ZERO, move |_| (200, answer.clone())).await;
        let why = refused(&etcd).await;
        assert!(why.contains(&format!("found the revision {revision}, expected")), "{why}");
    }
    let etcd = member(Duration::ZERO, |_| (200, "{}".into())).await;
    assert!(refused(&etcd).await.contains("that is not etcd's"));
    assert!(matches!(etcd.watch(&["a".to_owned()], i64::MAX).await, Err(Trouble::Refused(_))));
    assert!(matches!(etcd.changes(&["a".to_owned()], i64::MAX).await, Err(Trouble::Refused(_))));
}

#[tokio::test]
async fn what_a_watch_remembers_and_reads_has_a_bound() {
    let event = |number: usize, size: usize| {
        let key = STANDARD.encode(format!("/p/control/{number:0size$}"));
        format!(r#"{{"type":"DELETE","kv":{{"key":"{key}","mod_revision":"4"}}}}"#)
    };
    let events = |count: usize, size: usize| {
        let events: Vec<String> = (0..count).map(|number| event(number, size)).collect();
        format!("{{\"result\":{{{HEADER},\"events\":[{}]}}}}\n", events.join(","))
    };
    let absurd = r#"{"result":{"header":{"cluster_id":"7","revision":"9223372036854775807"}}}"#;
    for (stream, expected) in [
        (events(50_001, 1), "found 50001 keys of"),
        (events(40, 60_000).repeat(5), "expected at most 50000 keys of 8388608 bytes"),
        (events(65_537, 1), "that is not etcd's"),
        ("\n".repeat(2_000), "empty lines"),
        (format!("{absurd}\n"), "found the revision 9223372036854775807"),
    ] {
        let etcd = member(Duration::ZERO, move |_| (200, stream.clone())).await;
        match etcd.watch(&["control/".to_owned()], 3).await {
            Err(Trouble::Restart(why) | Trouble::Unreachable(why)) => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_about_a_transaction_is_none() {
    let put = Change::Put { key: "a".into(), value: Vec::new(), lease: None };
    let transaction = Transaction { when: Vec::new(), then: vec![put] };
    let etcd = member(Duration::ZERO, |_| (200, "{}".into())).await;
    assert_eq!(etcd.write(&transaction).await, Ok(Written::Unknown));
    let etcd = member(Duration::ZERO, |_| (200, format!("{{{HEADER}}}"))).await;
    assert_eq!(etcd.write(&transaction).await, Ok(Written::Refused));
}

#[tokio::test]
async fn what_was_not_asked_for_is_refused() {
    let kv = |key: &str| format!(r#"{{"key":"{}","mod_revision":"3","lease":"9"}}"#, STANDARD.encode(key));
    let answer = move |key: &str| {
        let text = format!(r#"{{{HEADER},"responses":[{{"response_range":{{"kvs":[{}]}}}}]}}"#, kv(key));
        move |_: usize| (200, text.clone())
    };
    let etcd = member(Duration::ZERO, answer("/p/a")).await;
    let found = etcd.get(&["a".to_owned()]).await.unwrap();
    assert_eq!((found.len(), found[0].lease, found[0].revision), (1, 9, 3));
    let etcd = member(Duration::ZERO, answer("/p/b")).await;
    assert!(matches!(etcd.get(&["a".to_owned()]).await, Err(Trouble::Refused(why)) if why.contains("found the key")));
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_not_kept_and_the_next_member_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "secret").unwrap();
    let own = |number: usize| match number {
        0 => (200, format!(r#"{{{HEADER},"token":"abc.1"}}"#)),
        _ => (200, format!("{{{HEADER}}}")),
    };
    let with = |endpoints| {
        let (user, timeout) = (Some(("tlsgate".to_owned(), password.clone())), Duration::from_secs(20));
        Etcd::new(&Settings { endpoints, prefix: "/p".into(), ca: None, identity: None, user, timeout }).unwrap()
    };
    let odd = || started(Duration::ZERO, |_| (200, r#"{"token":"a\nb"}"#.into()));
    // The first to be asked is drawn by chance.
    for _ in 0..8 {
        let read = with(vec![odd().await, started(Duration::ZERO, own).await]).read(&["control/".to_owned()]).await;
        assert!(read.is_ok(), "{read:?}");
    }
    let why = refused(&with(vec![odd().await])).await;
    assert!(why.contains("found a token that cannot be in a header"), "{why}");
}

const HEADER: &str = r#""header":{"cluster_id":"7","member_id":"1","revision":"5"}"#;
