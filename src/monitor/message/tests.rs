use super::*;

fn requests() -> Vec<Request> {
    let items = vec![
        Item::Address(Address::parse("192.0.2.1:636").unwrap()),
        Item::Address(Address::parse("[fe80::1%7]:636").unwrap()),
        Item::Address(Address::parse("unix:/run/x.sock").unwrap()),
        Item::Program("/usr/bin/publish".into()),
        Item::Argument("-c".into()),
        Item::Argument("".into()),
        Item::Configuration("tlsgate.toml".into()),
        Item::User(Ids { uid: 65534, gid: u32::MAX - 1, groups: vec![7, 8] }),
        Item::Place("/etc/tlsgate/certs".into()),
    ];
    vec![
        Request::Start { items, last: true },
        Request::Start { items: Vec::new(), last: false },
        Request::Bind { address: Address::parse("[::]:0").unwrap(), mode: 0o660 },
        Request::Remove { address: Address::parse("unix:x").unwrap(), file: FileId { device: 3, inode: u64::MAX } },
        Request::Program {
            path: "/usr/bin/publish".into(),
            arguments: vec!["present".into(), "".into()],
            limit: Duration::from_millis(1500),
        },
        Request::Open { path: "/etc/tlsgate/certs/a.crt".into() },
        Request::Successor,
    ]
}

fn answers() -> Vec<Answer> {
    vec![
        Answer::Bound(None),
        Answer::Bound(Some(FileId { device: 3, inode: 4 })),
        Answer::Removed,
        Answer::Opened,
        Answer::Started(4711),
        Answer::Ended(9),
        Answer::Output { status: Some(256), stdout: b"secret\n".to_vec().into(), stderr: b"warning".to_vec() },
        Answer::Output { status: None, stdout: Vec::new().into(), stderr: Vec::new() },
        Answer::Failed("address: in use".into()),
    ]
}

#[test]
fn what_is_sent_is_what_arrives() {
    for request in requests() {
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
    for answer in answers() {
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}

/// A prefix may be a whole message, as where a list has fewer items; then it is one that would be sent like that.
#[test]
fn a_part_of_a_message_is_not_taken_for_another() {
    for request in requests() {
        let bytes = request.encode();
        for length in 0..bytes.len() {
            match Request::decode(&bytes[..length]) {
                Ok(shorter @ (Request::Start { .. } | Request::Program { .. })) => {
                    assert_eq!(**shorter.encode(), bytes[..length]);
                }
                read => assert_eq!(read, Err(Malformed(length)), "{request:?}"),
            }
        }
    }
    for answer in answers() {
        let bytes = answer.encode();
        for length in 0..bytes.len() {
            assert_eq!(Answer::decode(&bytes[..length]), Err(Malformed(length)), "{answer:?}");
        }
    }
}

#[test]
fn bytes_behind_a_message_are_refused() {
    for request in requests() {
        let mut bytes = request.encode();
        bytes.push(0);
        assert_eq!(Request::decode(&bytes), Err(Malformed(bytes.len())), "{request:?}");
    }
    for answer in answers() {
        let mut bytes = answer.encode();
        bytes.push(0);
        assert_eq!(Answer::decode(&bytes), Err(Malformed(bytes.len())), "{answer:?}");
    }
}

#[test]
fn lengths_kinds_and_values_that_cannot_be_are_refused() {
    let program = |path: &str, arguments: &[&str]| {
        let arguments = arguments.iter().map(Into::into).collect();
        Request::Program { path: path.into(), arguments, limit: Duration::ZERO }.encode()
    };
    assert!(Request::decode(&program("/x", &["a"; MOST_ARGUMENTS])).is_ok());
    let unix = |path: String| Request::Bind { address: Address::Unix(path.into()), mode: 0o600 }.encode();
    assert!(Request::decode(&unix("x".repeat(4095))).is_ok());
    let mut huge = program("/x", &[]);
    huge[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut port = Request::Bind { address: Address::parse("192.0.2.1:1").unwrap(), mode: 0 }.encode();
    port[8] = 1;
    for bytes in [
        program("", &[]),
        program("/x\0y", &[]),
        program("/x", &["a\0b"]),
        program("/x", &["a"; MOST_ARGUMENTS + 1]),
        huge,
        port,
        unix("x".repeat(4096)),
        Request::Bind { address: Address::parse("192.0.2.1:1").unwrap(), mode: 0o4755 }.encode(),
        vec![START, 2].into(),
        vec![0].into(),
        vec![255].into(),
        Answer::Removed.encode(),
    ] {
        assert_eq!(Request::decode(&bytes), Err(Malformed(bytes.len())), "{:?}", &bytes[..bytes.len().min(40)]);
    }
    let mut not_text = Answer::Failed("ä".into()).encode();
    not_text.pop();
    not_text[1] = 1;
    assert!(Answer::decode(&not_text).is_err());
}

#[test]
fn many_items_are_sent_in_parts_and_a_long_reason_is_cut() {
    let items: Vec<Item> = (0..5000).map(|port| Item::Address(Address::Tcp(([127, 0, 0, 1], port).into()))).collect();
    let messages = Request::start(items.clone());
    assert!(messages.len() > 1);
    let mut seen = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        assert!(message.encode().len() <= LONGEST);
        let Request::Start { items, last } = message else { panic!("{message:?}") };
        assert_eq!(*last, index + 1 == messages.len());
        seen.extend(items.iter().cloned());
    }
    assert_eq!(seen, items);
    let reason = format!("x{}", "ä".repeat(LONGEST));
    match Answer::decode(&Answer::Failed(reason.clone()).encode()).unwrap() {
        Answer::Failed(cut) => assert!(cut.len() > LONGEST_REASON - 4 && reason.starts_with(&cut)),
        other => panic!("{other:?}"),
    }
}
