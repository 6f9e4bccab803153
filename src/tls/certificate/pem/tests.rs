//! Files as they are in the wild, and every prefix of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem().replace("\r\n", "\n"), key.serialize_pem().replace("\r\n", "\n"))
}

fn section(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// How many certificates are read, and what is passed over.
fn of(text: impl AsRef<[u8]>) -> (usize, Vec<String>) {
    let contents = read(text.as_ref()).unwrap();
    assert_eq!(contents.certificates.len(), contents.lines.len());
    (contents.certificates.len(), contents.passed_over.iter().map(ToString::to_string).collect())
}

fn reason(text: impl AsRef<[u8]>) -> String {
    read(text.as_ref()).unwrap_err().to_string()
}

#[test]
fn what_is_not_there_is_named() {
    assert_eq!(read(b"").err(), Some(PemError::Empty));
    assert_eq!(read(b" \n\t").err(), Some(PemError::Empty));
    assert_eq!(
        reason("-----BEGIN CERTIFICATE-----\nAAAA\n"),
        "is cut short: the section \"CERTIFICATE\" that begins at line 1 has no end line"
    );
    assert_eq!(
        reason("text\n-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
        "is not valid PEM: line 2: the section \"CERTIFICATE\" is not base64"
    );
    assert_eq!(
        reason("\n\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "is not valid PEM: line 3: the section \"CERTIFICATE\" ends with the end line of \"PRIVATE KEY\""
    );
    assert_eq!(
        reason("-----BEGIN CERTIFICATE----------END CERTIFICATE-----\n"),
        "is not valid PEM: line 1: the section \"CERTIFICATE\" is empty"
    );
}

#[test]
fn both_of_two_certificates_are_read_however_they_are_put_together() {
    let (one, two) = (pair().0, pair().0);
    let plain = format!("{one}{two}");
    let indented: String = two.lines().map(|line| format!("    {line}\n")).collect();
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("plain", plain.clone().into()),
        ("glued", format!("{}{two}", one.trim_end()).into()),
        ("glued to text", format!("{one}friendlyName: two{two}").into()),
        ("indented", format!("{one}{indented}").into()),
        ("X509", format!("{one}{}", two.replace("CERTIFICATE", "X509 CERTIFICATE")).into()),
        ("TRUSTED", format!("{one}{}", two.replace("CERTIFICATE", "TRUSTED CERTIFICATE")).into()),
        ("marks", format!("\u{feff}{one}\u{feff}{two}").into()),
        ("CRLF", plain.replace('\n', "\r\n").into()),
        ("CR", plain.replace('\n', "\r").into()),
        ("blanks", plain.replace('\n', " \t\n").into()),
        ("no-break spaces", plain.replace('\n', "\u{a0}\n").into()),
        ("empty lines", plain.replace('\n', "\n\n").into()),
        ("CRLF and empty lines", plain.replace('\n', "\r\n\r\n").into()),
        ("NULs", [one.as_bytes(), &[0; 300], two.as_bytes(), &[0; 300], b"noise\n", &[0xff; 9]].concat()),
        (
            "explained",
            format!("Bag Attributes\n    localKeyID: 01\nsubject=CN = one\n{one}\n0 s:CN = two\n{two}").into(),
        ),
        ("one line", format!("{one}{}", section("CERTIFICATE", &read(two.as_bytes()).unwrap().certificates[0])).into()),
        ("no line", plain.replace('\n', "").into()),
        ("headers", plain.replace("BEGIN CERTIFICATE-----\n", "BEGIN CERTIFICATE-----\nComment: x\n and y\n\n").into()),
        (
            "CRLF headers",
            plain.replace("BEGIN CERTIFICATE-----\n", "BEGIN CERTIFICATE-----\r\nA: x\r\nB: y\r\n\r\n").into(),
        ),
    ];
    let expected = read(plain.as_bytes()).unwrap().certificates;
    for (what, text) in texts {
        let contents = read(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(contents.certificates, expected, "{what}");
        assert_eq!(contents.passed_over, [], "{what}");
    }
}

#[test]
fn lines_are_counted_with_breaks_of_every_kind() {
    let (one, two) = (pair().0, pair().0);
    let length = one.lines().count();
    for line_break in ["\n", "\r\n", "\r"] {
        let text = format!("text\n\n{one}{two}").replace('\n', line_break);
        assert_eq!(read(text.as_bytes()).unwrap().lines, [3, 3 + length], "{line_break:?}");
    }
}

#[test]
fn what_is_not_read_is_named_with_its_line() {
    let (one, two) = (pair().0, pair().0);
    let lines = one.lines().count();
    let after = |more: &str| of(format!("{one}{more}"));
    let named = |line: usize, what: &str| vec![format!("line {}: {what}", lines + line)];
    assert_eq!(after(&section("FOO", b"bar")), (1, named(1, "a section \"FOO\" is not read")));
    assert_eq!(after("-----BEGIN FOO-----\n(no base64)\n-----END FOO-----\n"), after(&section("FOO", b"bar")));
    let open = named(2, "a section \"FOO\" without an end line is not read");
    assert_eq!(after(&format!("\n-----BEGIN FOO-----\nAAAA\n{two}")), (2, open));
    let malformed = named(1, "a BEGIN line is malformed, and what follows it is not read");
    for text in ["-----BEGIN CERTIFICATE----\nAAAA\n", "-----begin certificate-----\n", "---- BEGIN X ----\n"] {
        assert_eq!(after(text), (1, malformed.clone()), "{text}");
    }
    assert_eq!(after("\u{2014}\u{2013}BEGIN CERTIFICATE\u{2014}\u{2013}\n"), (1, malformed));
    let stray = named(3, "an END line without its BEGIN line: what precedes it is not read");
    assert_eq!(after("AAAA\n\n-----END CERTIFICATE-----\n"), (1, stray));
    let comment: String = two.lines().map(|line| format!("# {line}\n")).collect();
    let of_comment = "a section \"CERTIFICATE\" that does not begin its line is not valid, and is not read";
    assert_eq!(after(&comment), (1, named(1, of_comment)));
    assert_eq!(after("from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----\n"), (1, named(1, of_comment)));
    let opening = named(1, "a section \"CERTIFICATE\" without an end line is not read");
    assert_eq!(after(&format!("# -----BEGIN CERTIFICATE-----\n{two}")), (2, opening));
    let list = named(1, "a list of revoked certificates (X509 CRL) is not read here");
    assert_eq!(after(&section("X509 CRL", &[0x30, 0])), (1, list));
    assert_eq!(
        after("-----BEGIN \u{1b}[2J-----\n"),
        (1, named(1, "a section \"\\u{1b}[2J\" without an end line is not read"))
    );
    for label in HARMLESS {
        assert_eq!(after(&section(label, &[0x30, 0])), (1, vec![]), "{label}");
    }
    assert_eq!(after("Once upon a time --- in the end --- it began.\n"), (1, vec![]));
    assert_eq!(
        reason(section("PKCS7", &[0x30, 0])),
        "holds nothing that can be read: line 1: a section \"PKCS7\" is not read (\"openssl pkcs7 -print_certs\" writes its certificates)"
    );
}

#[test]
fn a_trusted_certificate_is_taken_without_its_settings_which_are_named_if_they_judge() {
    let der = read(pair().0.as_bytes()).unwrap().certificates.pop().unwrap();
    let with = |label: &str, settings: &[u8]| {
        let text = section(label, &[&der[..], settings].concat());
        assert_eq!(read(text.as_bytes()).unwrap().certificates, std::slice::from_ref(&der));
        of(text).1
    };
    assert!(with("TRUSTED CERTIFICATE", &[]).is_empty());
    // An alias.
    assert!(with("TRUSTED CERTIFICATE", &[0x30, 5, 0x0c, 3, b'f', b'o', b'o']).is_empty());
    let judged = "line 1: the trust settings of a \"TRUSTED CERTIFICATE\" are not read";
    assert_eq!(with("TRUSTED CERTIFICATE", &[0x30, 5, 0x30, 3, 6, 1, 42]), [judged]);
    assert_eq!(with("TRUSTED CERTIFICATE", &[0x30, 5, 0xa0, 3, 6, 1, 42]), [judged]);
    let rest = "line 1: bytes that follow the end of a certificate are not read";
    assert_eq!(with("CERTIFICATE", &[0x30, 0]), [rest]);
}

#[test]
fn text_in_utf_16_is_named() {
    let (one, _) = pair();
    let units: Vec<u16> = one.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for text in [&little, &big, &[&[0xff, 0xfe], &little[..]].concat(), &[&[0xfe, 0xff], &big[..]].concat()] {
        assert_eq!(read(text).err(), Some(PemError::Utf16));
    }
}

#[test]
fn a_key_is_what_its_content_is() {
    let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let pkcs8 = rsa.serialize_der();
    // PrivateKeyInfo of RSA: two headers, a version of 3 bytes, an algorithm of 15, and a header of 4 before the key.
    let pkcs1 = pkcs8[26..].to_vec();
    let sec1 = [0x30, 6, 2, 1, 1, 4, 1, 7];
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ANY PRIVATE KEY"] {
        let key = |der: &[u8]| read(section(label, der).as_bytes()).unwrap().keys.pop().unwrap();
        assert!(matches!(*key(&pkcs8), PrivateKeyDer::Pkcs8(_)), "{label}");
        assert!(matches!(*key(&pkcs1), PrivateKeyDer::Pkcs1(_)), "{label}");
        assert!(matches!(*key(&sec1), PrivateKeyDer::Sec1(_)), "{label}");
    }
    assert!(matches!(*read(&pkcs8).unwrap().keys[0], PrivateKeyDer::Pkcs8(_)));
}

#[test]
fn a_key_that_cannot_be_used_is_named_unless_another_can() {
    let (certificate, key) = pair();
    let encrypted = section("ENCRYPTED PRIVATE KEY", &[0x30, 0]);
    assert_eq!(read_with_encrypted(encrypted.as_bytes()).unwrap().encrypted, [[0x30, 0]]);
    let legacy = key.replace("KEY-----\nM", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nM");
    let mislabelled = section("PRIVATE KEY", &[0x30, 4, 0x30, 0, 4, 0]);
    for (text, what) in [(&encrypted, ENCRYPTED), (&legacy, TRADITIONAL), (&mislabelled, ENCRYPTED)] {
        let error = read(text.as_bytes()).unwrap_err();
        match what {
            ENCRYPTED => assert_eq!(error, PemError::Encrypted, "{text}"),
            _ => assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}"),
        }
        assert_eq!(read_certificates(format!("{certificate}{text}").as_bytes()).unwrap().certificates.len(), 1);
        assert_eq!(of(format!("{text}{key}{certificate}")), (1, vec![format!("line 1: {what}")]));
    }
    let ssh = section("OPENSSH PRIVATE KEY", b"openssh-key-v1");
    assert!(reason(&ssh).starts_with("holds a private key that cannot be used: line 1: it is in OpenSSH's own form"));
    let integers = |version: u8, count: usize| {
        let integers = [2, 1, version].into_iter().chain([2, 1, 5].into_iter().cycle().take(3 * count));
        let contents: Vec<u8> = integers.chain([0x30, 0]).collect();
        section("RSA PRIVATE KEY", &[&[0x30, u8::try_from(contents.len()).unwrap()], &contents[..]].concat())
    };
    assert!(reason(integers(1, 8)).ends_with("line 1: it is an RSA key of more than two primes, expected two"));
    assert!(reason(integers(0, 5)).contains("it is for DSA"));
    assert!(reason(integers(0, 2)).contains("it is no private key in PKCS#8, PKCS#1 or SEC1"));
}

#[test]
fn a_file_in_der_is_read_or_named() {
    let (certificate, _) = pair();
    let der = read(certificate.as_bytes()).unwrap().certificates.pop().unwrap();
    assert_eq!(read(&der).unwrap().certificates, std::slice::from_ref(&der));
    assert!(reason(&der[..der.len() - 1]).contains("it looks like DER, but is cut short"));
    assert!(reason([0x30, 5, 2, 1, 3, 0x30, 0]).starts_with("is a PKCS#12 archive, expected PEM"));
    assert!(reason([0x30, 3, 6, 1, 42]).starts_with("is a PKCS#7 bundle"));
    assert!(reason([0x30, 3, 1, 1, 0]).starts_with("holds nothing that can be read: line 1: it is DER"));
    assert!(
        reason(section("CERTIFICATE", &[0x30, 3, 6, 1, 42]))
            .contains("line 1: the section \"CERTIFICATE\" is a PKCS#7")
    );
    // Text may begin with the digit that is the tag of a sequence.
    assert_eq!(of(format!("0 s:CN = a\n{certificate}")).0, 1);
}

#[test]
fn lists_of_revoked_certificates_are_read_in_either_form() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2020, 1, 1),
        next_update: rcgen::date_time_ymd(2030, 1, 1),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: vec![],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let list = list.signed_by(&rcgen::Issuer::new(ca, key)).unwrap();
    let (der, pem) = (list.der().to_vec(), list.pem().unwrap());
    assert_eq!(read_crls(&der).unwrap().crls[0].as_ref(), der);
    let glued = format!("{}{}{}", pem.trim_end(), pem, pair().0);
    let contents = read_crls(glued.as_bytes()).unwrap();
    assert_eq!((contents.crls.len(), contents.passed_over.len()), (2, 1));
    assert!(read_crls(pair().0.as_bytes()).is_err());
    for cut in 0..der.len() {
        assert!(read_crls(&der[..cut]).is_err(), "cut at {cut}");
    }
    let pem = pem.trim_end();
    for cut in 0..pem.len() {
        assert!(read_crls(&pem.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn no_prefix_of_a_text_is_half_read_in_silence() {
    let (certificate, key) = pair();
    let text = format!("{key}{}{certificate}", certificate.trim_end());
    let ends: Vec<usize> =
        text.match_indices("-----END").map(|(at, _)| at + text[at + 5..].find("-----").unwrap() + 10).collect();
    for cut in 0..text.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        // What follows the last whole section is nothing, or a line break.
        let clean = text[ends.iter().rev().find(|end| **end <= cut).copied().unwrap_or(0)..cut].trim().is_empty();
        if let Ok(contents) = read(&text.as_bytes()[..cut]) {
            assert_eq!(contents.keys.len() + contents.certificates.len(), whole, "cut at {cut}");
            assert_eq!(contents.passed_over.is_empty(), clean, "cut at {cut}");
        }
    }
}

proptest! {
    /// Pieces of files in any order: nothing panics, and each certificate that is whole is read or something is named.
    #[test]
    fn of_any_mixture_each_certificate_is_read_or_something_is_named(pieces in prop::collection::vec(0..PIECES.len(), 0..9)) {
        let text: Vec<u8> = pieces.iter().flat_map(|piece| PIECES[*piece]).copied().collect();
        let whole = pieces.iter().filter(|piece| **piece < WHOLE).count();
        if let Ok(contents) = read_certificates(&text) {
            prop_assert!(contents.certificates.len() <= whole);
            prop_assert!(contents.certificates.len() == whole || !contents.passed_over.is_empty());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (read(&bytes), read_certificates(&bytes), read_crls(&bytes));
        let _ = read(&[b"-----BEGIN CERTIFICATE-----\n", &bytes[..], b"-----END CERTIFICATE-----\n"].concat());
    }
}

/// The first are sections that hold the shape of a certificate.
const PIECES: &[&[u8]] = &[
    b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    b"-----BEGIN X509 CERTIFICATE-----\r\n MAA=\r\n-----END X509 CERTIFICATE-----",
    b"-----BEGIN TRUSTED CERTIFICATE-----MAA=-----END TRUSTED CERTIFICATE-----",
    b"\n",
    b"\r",
    b" # ",
    b"\0\xef\xbb\xbf",
    b"-----",
    b"-----BEGIN ",
    b"-----END CERTIFICATE-----",
    b"-----BEGIN FOO-----",
    b"-----BEGIN EC PARAMETERS-----\nMAA=\n-----END EC PARAMETERS-----",
    b"begin certificate: no\n",
];
const WHOLE: usize = 3;

#[test]
fn a_key_whose_marks_are_damaged_is_not_shown() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_der();
    let key = STANDARD.encode(key);
    for label in ["PRIVATE KEY", "EC PRIVATE KEY", "X"] {
        for dashes in ["", "-", "----", " ----", "\u{2014}"] {
            for (before, after) in [("", ""), ("\n", ""), ("", "-----END PRIVATE KEY-----"), ("text\n", "\u{2014}")] {
                let text = format!("{before}-----BEGIN {label}{dashes}{key}{after}");
                let reason = reason(text);
                let shown = key.as_bytes().windows(8).find(|part| reason.contains(str::from_utf8(part).unwrap()));
                assert_eq!(shown, None, "{reason}");
            }
        }
    }
}

#[test]
fn marks_without_number_are_read_to_their_end() {
    // Were each to look for the end of its line, it would take hours.
    let text = "-----BEGIN ".repeat(100_000) + "\n";
    let Err(PemError::Unread(first)) = read(text.as_bytes()) else { panic!("something was read") };
    assert_eq!(first.line, 1);
}

#[test]
fn a_key_within_a_key_within_a_key_does_not_use_up_the_stack() {
    let tlv = |tag: u8, value: &[u8]| {
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, value].concat()
    };
    let rsa = [0x30, 13, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 5, 0];
    // From the innermost: lengths are known before, so that it is put together from behind once.
    let front = |value: usize| {
        let octets = [&[0x04, 0x84][..], &u32::try_from(value).unwrap().to_be_bytes()].concat();
        let contents = [&[0x02, 1, 0][..], &rsa, &octets].concat();
        let length = u32::try_from(contents.len() + value).unwrap().to_be_bytes();
        [&[0x30, 0x84][..], &length, &contents].concat()
    };
    let innermost = tlv(0x30, &[]);
    let (mut length, mut fronts) = (innermost.len(), Vec::new());
    for _ in 0..200_000 {
        fronts.push(front(length));
        length += fronts.last().unwrap().len();
    }
    let nested: Vec<u8> = fronts.into_iter().rev().flatten().chain(innermost).collect();
    assert_eq!(read(section("PRIVATE KEY", &nested).as_bytes()).unwrap().keys.len(), 1);
    assert_eq!(read(&nested).unwrap().keys.len(), 1);
}

#[test]
fn of_a_million_sections_that_are_not_read_a_few_are_named() {
    let text = "-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n".repeat(5_000);
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let contents = read(format!("{key}{text}").as_bytes()).unwrap();
    assert_eq!((contents.keys.len(), contents.passed_over.len()), (1, 21));
    assert!(contents.passed_over[20].what.contains("4980 parts"), "{}", contents.passed_over[20]);
    assert!(contents.passed_over.is_sorted_by_key(|unread| unread.line));
}

#[test]
fn what_is_not_read_takes_no_memory_for_each_part() {
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    for text in ["-----BEGIN A-----\n", openssh] {
        let found = Found::of(text.repeat(5_000).as_bytes()).unwrap();
        assert!(found.contents.passed_over.is_empty(), "{text}");
        let named = [found.unread, found.unusable_keys].map(|unread| unread.named());
        let [parts, more] = [named.iter().map(Vec::len).sum(), named.iter().filter_map(|named| named.get(20)).count()];
        assert_eq!((parts, more), (21, 1), "{text}");
    }
    // Of a list, too, that comes from a server.
    let list = section("X509 CRL", &[0x30, 0]);
    let certificate = section("CERTIFICATE", &[0x30, 0]);
    let contents = read_crls(format!("{list}{}", certificate.repeat(5_000)).as_bytes()).unwrap();
    assert_eq!((contents.crls.len(), contents.passed_over.len()), (1, 21));
}
