//! Checks over HTTP: the request, and which answers pass.

use std::io::{Read, Write};

use super::{becomes, down_for, stage};
use crate::support::backend::Backend;
use crate::support::by_hand::ByHand;

#[test]
fn http_is_checked_by_status_text_host_and_method() {
    let yes = http_backend(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\nso far all is well");
    let moved = http_backend(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let no = http_backend(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n");
    let chunked =
        http_backend(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nis we\r\n2\r\nll\r\n0\r\n\r\n");
    let noise = http_backend(b"220 mail.example.com ESMTP\r\n");
    for (backend, health, wanted) in [
        (&yes, "", None),
        (&yes, ", body = \"all is well\"", None),
        (&chunked, ", body = \"is well\"", None),
        (&yes, ", body = \"all is lost\"", Some("status 200, but the text is not in the body")),
        (&yes, ", status = [201, \"300-399\"]", Some("status 200")),
        (&moved, "", None),
        (&moved, ", status = 200", Some("status 302")),
        (&no, "", Some("status 503")),
        (&no, ", status = \"500-599\"", None),
        (&noise, "", Some("invalid HTTP version parsed")),
    ] {
        let stage = stage(&[backend.address], &format!("type = \"http\"{health}"), "");
        match wanted {
            None => drop(becomes(&stage, 0, "up")),
            Some(reason) => down_for(&stage, 0, reason),
        }
    }
}

#[test]
fn an_http_request_is_what_was_asked_for() {
    let backend = ByHand::new();
    let health = "type = \"http\", method = \"HEAD\", path = \"/a?b=c\", host = \"www.example.com\", timeout = \"1m\"";
    let _stage = stage(&[backend.address], health, "");
    let mut stream = backend.accept();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend_from_slice(&byte);
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("HEAD /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: www.example.com\r\n") && request.contains("connection: close\r\n"), "{request}");
}

/// A server that answers every request with these bytes.
fn http_backend(answer: &'static [u8]) -> Backend {
    Backend::start(move |mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.extend_from_slice(&byte);
        }
        stream.write_all(answer)
    })
}
