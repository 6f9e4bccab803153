use super::*;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn grants(items: Vec<Item>, look_up: LookUp) -> Grants {
    let mut grants = Grants::new(look_up).unwrap();
    items.into_iter().for_each(|item| grants.add(item).unwrap());
    grants
}

fn names_another(_: &Path) -> Result<Allowed, String> {
    Ok(Allowed {
        addresses: vec![address("192.0.2.2:2")],
        programs: vec!["/other".into(), "relative".into()],
        ..Allowed::default()
    })
}

#[test]
fn what_was_named_at_the_start_needs_no_configuration() {
    let unread: LookUp = |_| panic!("the configuration is read");
    let items = vec![
        Item::Address(address("192.0.2.1:1")),
        Item::Address(address("unix:x.sock")),
        Item::Program("/publish".into()),
        Item::Configuration("/conf".into()),
    ];
    let grants = grants(items, unread);
    for text in ["192.0.2.1:1", "unix:x.sock"] {
        assert_eq!(wait(grants.address(&address(text))), Ok(()));
    }
    let arguments = ["present", "_acme-challenge.a.example.", "-LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"];
    assert_eq!(wait(grants.program(Path::new("/publish"), &arguments.map(OsString::from))), Ok(()));
}

#[test]
fn what_the_configuration_names_now_is_allowed_and_nothing_else() {
    let items = vec![Item::Address(address("192.0.2.1:1")), Item::Configuration("/conf".into())];
    let grants = grants(items, names_another);
    assert_eq!(wait(grants.address(&address("192.0.2.2:2"))), Ok(()));
    assert_eq!(wait(grants.program(Path::new("/other"), &[])), Ok(()));
    let relative = std::path::absolute("relative").unwrap();
    assert_eq!(wait(grants.program(&relative, &[])), Ok(()));
    for text in ["192.0.2.2:3", "192.0.2.1:2", "unix:/x"] {
        let error = wait(grants.address(&address(text))).unwrap_err();
        assert!(error.contains(text) && error.contains("/conf") && error.contains("expected an address"), "{error}");
    }
    for path in ["/publish", "relative", "/../other"] {
        let error = wait(grants.program(Path::new(path), &[])).unwrap_err();
        assert!(error.contains(path) && error.contains("/conf") && error.contains("expected a program"), "{error}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_allows_nothing_new() {
    let broken: LookUp = |_| Err("listener: expected a table".into());
    let with = grants(vec![Item::Configuration("/conf".into())], broken);
    let error = wait(with.address(&address("192.0.2.2:2"))).unwrap_err();
    assert!(error.contains("192.0.2.2:2") && error.contains("/conf") && error.contains("expected a table"), "{error}");
    // From a pipe, it cannot be read again.
    let without = grants(Vec::new(), names_another);
    let error = wait(without.address(&address("192.0.2.2:2"))).unwrap_err();
    assert!(error.contains("192.0.2.2:2") && error.contains("cannot be read again"), "{error}");
}

#[test]
fn arguments_that_mean_something_to_a_shell_are_refused() {
    let grants = grants(vec![Item::Program("/publish".into())], names_another);
    for argument in ["/etc/tls/a b.key", "/ä", "https://a.example:1/b=c,d", ""] {
        assert_eq!(wait(grants.program(Path::new("/publish"), &[argument.into()])), Ok(()), "{argument}");
    }
    for argument in
        ["a b", "/x\ny", "/$x", "/x'", "$(id)", "a;b", "`id`", "a\nb", "'", "\"", "\\", "*", "|", "&", "<", "ä"]
    {
        let error = wait(grants.program(Path::new("/publish"), &["present".into(), argument.into()])).unwrap_err();
        assert!(error.contains("/publish") && error.contains("expected a path"), "{error}");
    }
}
