//! What OpenSSL, GnuTLS and curl report about a connection, read in one place: codes and the names of the standards,
//! never a sentence, since sentences differ from one version to the next. Must not know: tlsgate.

/// The fatal alert that a client received (RFC 8446 section 6), from its output.
///
/// OpenSSL and curl print OpenSSL's error code, whose reason is 1000 plus the alert (ssl.h: `SSL_AD_REASON_OFFSET`);
/// GnuTLS prints the number in brackets.
pub(crate) fn alert(text: &str) -> Option<u8> {
    let of_openssl = text.match_indices("error:").find_map(|(at, before)| {
        let code = text[at + before.len()..].split(':').next()?;
        let code = u32::from_str_radix(code, 16).ok().filter(|_| code.len() == 8)?;
        // The library is in the bits above the reason, whose width differs between OpenSSL 1 and 3.
        u8::try_from((code & 0xfff).checked_sub(1000)?).ok()
    });
    let of_gnutls = || text.split_once("eceived alert [")?.1.split(']').next()?.parse().ok();
    of_openssl.or_else(of_gnutls)
}

/// The result of `openssl s_client` for the server's certificates: OpenSSL's number (x509_vfy.h), 0 if nothing is
/// wrong.
pub(crate) fn verdict(text: &str) -> Option<u32> {
    word(text, "erify return code: ")?.parse().ok()
}

/// Whether `openssl s_client` found nothing wrong with the server's certificates.
pub(crate) fn verified(text: &str) -> bool {
    verdict(text) == Some(0)
}

/// A handshake that `openssl s_client` has completed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Session<'t> {
    pub(crate) resumed: bool,
    /// `TLSv1.3`
    pub(crate) version: &'t str,
    /// OpenSSL's name of the suite.
    pub(crate) cipher: &'t str,
}

/// The handshake, if there was one.
pub(crate) fn session(text: &str) -> Option<Session<'_>> {
    text.lines().find_map(|line| {
        let (resumed, rest) = match line.split_once(", ")? {
            ("New", rest) => (false, rest),
            ("Reused", rest) => (true, rest),
            _ => return None,
        };
        let (version, cipher) = rest.split_once(", Cipher is ")?;
        // Without a handshake both are in parentheses.
        (!cipher.starts_with('(')).then_some(Session { resumed, version, cipher })
    })
}

/// Whether `openssl s_client` resumed a session; there must be a handshake.
pub(crate) fn resumed(text: &str) -> bool {
    session(text).unwrap_or_else(|| panic!("no handshake: {text}")).resumed
}

/// Whether the server signed with this scheme according to `openssl s_client`, by IANA's name. OpenSSL 3.5 prints that
/// name, earlier versions print the kind of key.
pub(crate) fn signed_with(text: &str, scheme: &str) -> bool {
    let kind = match scheme {
        "ed25519" => "ed25519",
        scheme if scheme.starts_with("ecdsa_") => "ECDSA",
        scheme if scheme.starts_with("rsa_pss_") => "RSA-PSS",
        _ => "RSA",
    };
    let Some(seen) = word(text, "Peer signature type: ") else { return false };
    seen.eq_ignore_ascii_case(kind) || seen.eq_ignore_ascii_case(scheme)
}

/// The group that `openssl s_client` agreed on, by OpenSSL's name: the kind and the curve, if it prints both.
pub(crate) fn group(text: &str) -> impl Iterator<Item = &str> {
    // The server's or, since OpenSSL 3.2, the peer's; hybrid groups have a line of their own.
    let key = ["Temp Key: ", "Negotiated TLS1.3 group: "].iter().find_map(|before| text.split_once(before));
    key.and_then(|(_, rest)| rest.lines().next()).into_iter().flat_map(|line| line.split(", "))
}

/// The application protocol that `openssl s_client` or `gnutls-cli` agreed on.
pub(crate) fn protocol(text: &str) -> Option<&str> {
    word(text, "ALPN protocol: ").or_else(|| word(text, "Application protocol: "))
}

fn word<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_whitespace().next()
}

// The output of these versions, as far as it is read.

#[test]
fn the_alert_is_read_from_what_every_version_prints() {
    let printed = [
        // OpenSSL 1.1.1, 3.0 and 3.5.
        "140AF:error:14094458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:ssl/record/rec_layer_s3.c:1543:SSL alert number 112\n",
        "803BB0A9FE7E0000:error:0A000458:SSL routines:ssl3_read_bytes:tlsv1 unrecognized name:../ssl/record/rec_layer_s3.c:1602:SSL alert number 112\n",
        "4037F0A6597F0000:error:0A000458:SSL routines:in words of its own\n",
        // curl 7.88 and 8.14.
        "curl: (35) OpenSSL/3.0.22: error:0A000458:SSL routines::tlsv1 unrecognized name\n",
        "curl: (35) TLS connect error: error:0A000458:SSL routines::tlsv1 unrecognized name\n",
        // GnuTLS 3.7 and 3.8.
        "*** Fatal error: A TLS fatal alert has been received.\n*** Received alert [112]: The server name sent was not recognized\n",
    ];
    for text in printed {
        assert_eq!(alert(text), Some(112), "{text}");
    }
    // An error without an alert: a certificate that does not verify.
    let failed =
        "4047:error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:x.c:2\n";
    assert_eq!((alert(failed), alert(&[failed, printed[1]].concat()), alert("")), (None, Some(112), None));
}

#[test]
fn a_handshake_is_read_from_what_every_version_prints() {
    let old = "Peer signature type: ECDSA\nServer Temp Key: ECDH, prime256v1, 256 bits\nVerification: OK\n---\n\
        New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\nNo ALPN negotiated\nVerify return code: 0 (ok)\n";
    let new = "Peer signature type: ecdsa_secp256r1_sha256\nPeer Temp Key: ECDH, secp256r1, 256 bits\n---\n\
        Reused, TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384\nProtocol: TLSv1.2\nALPN protocol: h2\n\
        \x20   Verify return code: 10 (certificate has expired)\n";
    let none = "New, (NONE), Cipher is (NONE)\nNo ALPN negotiated\n";
    for text in [old, new] {
        assert!(signed_with(text, "ecdsa_secp256r1_sha256") && !signed_with(text, "rsa_pss_rsae_sha256"), "{text}");
    }
    let first = Session { resumed: false, version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
    let second = Session { resumed: true, version: "TLSv1.2", cipher: "ECDHE-ECDSA-AES256-GCM-SHA384" };
    assert_eq!([session(old), session(new), session(none)], [Some(first), Some(second), None]);
    assert_eq!([protocol(old), protocol(new)], [None, Some("h2")]);
    assert_eq!([verdict(old), verdict(new), verdict(none)], [Some(0), Some(10), None]);
    assert_eq!(group(old).nth(1), Some("prime256v1"));
    assert_eq!(group(new).nth(1), Some("secp256r1"));
    assert_eq!(group("Negotiated TLS1.3 group: X25519MLKEM768\n").collect::<Vec<_>>(), ["X25519MLKEM768"]);
}
