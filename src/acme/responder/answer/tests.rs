//! What is answered, where requests are redirected, and that nothing unchecked is sent back.

use http_body_util::BodyExt;

use super::*;

fn request(method: Method, target: &str, hosts: &[&[u8]]) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = target.parse().unwrap();
    for host in hosts {
        request.headers_mut().append(HOST, HeaderValue::from_bytes(host).unwrap());
    }
    request
}

fn pending() -> Tokens {
    let tokens = Tokens::default();
    assert!(tokens.put("abc_-1", "abc_-1.thumb".into()));
    tokens
}

async fn answered(method: Method, target: &str, hosts: &[&[u8]]) -> (u16, Option<String>, String) {
    let response = answer(&request(method, target, hosts), &pending());
    let (head, body) = response.into_parts();
    let field = head.headers.get(LOCATION).or(head.headers.get(CONTENT_TYPE));
    let body = body.collect().await.unwrap().to_bytes();
    let field = field.map(|field| field.to_str().unwrap().to_owned());
    (head.status.as_u16(), field, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_pending_token_is_answered_whatever_the_host_and_only_to_those_who_read() {
    let target = "/.well-known/acme-challenge/abc_-1";
    let expected = (200, Some("application/octet-stream".to_owned()), "abc_-1.thumb".to_owned());
    for hosts in [&[][..], &[b"a.test".as_slice()], &[b"not a host".as_slice()]] {
        for target in [target.to_owned(), format!("{target}?x=y"), format!("http://a.test{target}")] {
            assert_eq!(answered(Method::GET, &target, hosts).await, expected, "{target} {hosts:?}");
            assert_eq!(answered(Method::HEAD, &target, hosts).await, expected, "{target} {hosts:?}");
        }
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(answered(method.clone(), target, &[b"a.test"]).await.0, 308, "{method}");
    }
    let others = ["abc_-2", "", "abc_-1/", "abc_-1%00", "../acme-challenge/abc_-1", "ABC_-1"];
    for other in others {
        let target = format!("/.well-known/acme-challenge/{other}");
        let (status, location, _) = answered(Method::GET, &target, &[b"a.test"]).await;
        assert_eq!((status, location), (308, Some(format!("https://a.test{target}"))), "{other}");
    }
    assert_eq!(answered(Method::GET, "/.well-known/acme-challenge", &[b"a.test"]).await.0, 308);
}

#[tokio::test]
async fn everything_else_goes_to_the_same_place_with_https() {
    let cases: [(&str, &[u8], &str); 13] = [
        ("/", b"a.test", "https://a.test/"),
        ("/a/b?c=d&e", b"A.Test:8080", "https://a.test/a/b?c=d&e"),
        ("/", b"a.test.", "https://a.test/"),
        ("/", b"a_b.test:", "https://a_b.test/"),
        ("//evil.test/x", b"a.test", "https://a.test//evil.test/x"),
        ("/", b"192.0.2.1:80", "https://192.0.2.1/"),
        ("/x", b"[2001:DB8:0::1]", "https://[2001:db8::1]/x"),
        ("/x", b"[::1]:80", "https://[::1]/x"),
        ("/%0d%0aX:y", b"a.test", "https://a.test/%0d%0aX:y"),
        ("/?a=http://b.test/", b"a.test", "https://a.test/?a=http://b.test/"),
        // The host of an absolute target counts, whatever the field is.
        ("http://b.test:80/y", b"a.test", "https://b.test/y"),
        ("http://b.test", b"a.test", "https://b.test/"),
        ("http://[::1]:80/y", b"not a host", "https://[::1]/y"),
    ];
    for (target, host, expected) in cases {
        let (status, location, body) = answered(Method::GET, target, &[host]).await;
        assert_eq!((status, location.as_deref(), &*body), (308, Some(expected), ""), "{target}");
    }
}

#[tokio::test]
async fn without_a_usable_host_there_is_no_redirect_and_nothing_of_the_request_in_the_answer() {
    let hosts: [&[&[u8]]; 15] = [
        &[],
        &[b""],
        &[b"a.test", b"a.test"],
        &[b"a test"],
        &[b"a.test/evil"],
        &[b"user@a.test"],
        &[b"a.test:8x"],
        &[b"a.test:80:80"],
        &[b"*.a.test"],
        &[b"\"><script>"],
        &[b"a.test\xc3\xa4"],
        &[b"[::1"],
        &[b"[::1]x"],
        &[b"[::g]"],
        &[b"::1"],
    ];
    for hosts in hosts {
        let expected = (400, Some("text/plain".to_owned()), BAD.to_owned());
        assert_eq!(answered(Method::GET, "/x", hosts).await, expected, "{hosts:?}");
    }
    assert_eq!(answered(Method::GET, "http://u:p@a.test/", &[b"a.test"]).await.0, 400);
    assert_eq!(answered(Method::OPTIONS, "*", &[b"a.test"]).await.0, 400);
    assert_eq!(answered(Method::CONNECT, "a.test:443", &[b"a.test"]).await.0, 400);
}

#[test]
fn bytes_that_have_no_place_in_a_url_are_escaped() {
    let target = |path: &str| target(&Uri::builder().path_and_query(path).build().ok()?);
    assert_eq!(target("/%41?%42").as_deref(), Some("/%41?%42"));
    let mut escaped = 0;
    // Which bytes get this far is up to the HTTP library.
    for c in ('\u{1}'..'\u{180}').filter(|c| !matches!(c, '?' | '#' | '/')) {
        for path in [format!("/{c}"), format!("/?{c}")] {
            let Some(found) = target(&path) else { continue };
            let rest = found.trim_start_matches("/?").trim_start_matches('/');
            let clean = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte));
            assert!(clean(rest) && (rest.starts_with('%') || rest == c.to_string()), "{path:?} {found:?}");
            escaped += usize::from(rest.len() >= 3);
        }
    }
    assert!(escaped > 0 && target("/{}").as_deref() == Some("/%7B%7D"), "{escaped}");
}
