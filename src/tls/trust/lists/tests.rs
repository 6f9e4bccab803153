//! Lists of every form that an issuer may sign, written by hand, since no library makes them all.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey};
use rustls::pki_types::CertificateDer;

use super::*;

struct Ca {
    key: KeyPair,
    der: CertificateDer<'static>,
}

fn ca(name: &str) -> Ca {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ca { der: params.self_signed(&key).unwrap().der().clone(), key }
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = match value.len() {
        short @ 0..0x80 => vec![u8::try_from(short).unwrap()],
        short @ 0x80..0x100 => vec![0x81, u8::try_from(short).unwrap()],
        long @ 0x100..0x1_0000 => [&[0x82][..], &u16::try_from(long).unwrap().to_be_bytes()].concat(),
        long => [&[0x83][..], &u32::try_from(long).unwrap().to_be_bytes()[1..]].concat(),
    };
    [&[tag][..], &length, value].concat()
}

/// An extension of id-ce (2.5.29).
fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { vec![0x01, 0x01, 0xff] } else { Vec::new() };
    tlv(0x30, &[tlv(0x06, &[0x55, 0x1d, id]), critical, tlv(0x04, value)].concat())
}

/// What is in a list.
struct Form {
    version: Option<u8>,
    this_update: &'static str,
    next_update: Option<&'static str>,
    /// Serial numbers, with their extensions.
    entries: Vec<(u8, Vec<u8>)>,
    extensions: Vec<Vec<u8>>,
}

impl Default for Form {
    fn default() -> Self {
        let number = extension(20, false, &[0x02, 1, 7]);
        let (this_update, next_update) = ("260101000000Z", Some("280101000000Z"));
        Self { version: Some(1), this_update, next_update, entries: Vec::new(), extensions: vec![number] }
    }
}

/// ecdsa-with-SHA256
const ALGORITHM: &[u8] = &[0x30, 10, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

impl Form {
    fn signed_by(&self, ca: &Ca) -> CertificateRevocationListDer<'static> {
        self.named_and_signed(x509::parse(&ca.der).unwrap().subject().as_raw(), ca, ALGORITHM)
    }

    fn named_and_signed(&self, issuer: &[u8], ca: &Ca, algorithm: &[u8]) -> CertificateRevocationListDer<'static> {
        let entry = |(serial, extensions): &(u8, Vec<u8>)| {
            let extensions = if extensions.is_empty() { Vec::new() } else { tlv(0x30, extensions) };
            tlv(0x30, &[tlv(0x02, &[*serial]), tlv(0x17, b"260101000000Z"), extensions].concat())
        };
        let entries: Vec<u8> = self.entries.iter().flat_map(entry).collect();
        let parts = [
            self.version.map(|version| tlv(0x02, &[version])).unwrap_or_default(),
            algorithm.to_vec(),
            issuer.to_vec(),
            tlv(0x17, self.this_update.as_bytes()),
            self.next_update.map(|time| tlv(0x17, time.as_bytes())).unwrap_or_default(),
            if entries.is_empty() { Vec::new() } else { tlv(0x30, &entries) },
            if self.extensions.is_empty() { Vec::new() } else { tlv(0xa0, &tlv(0x30, &self.extensions.concat())) },
        ];
        let signed = tlv(0x30, &parts.concat());
        let signature = [&[0][..], &ca.key.sign(&signed).unwrap()].concat();
        tlv(0x30, &[signed, algorithm.to_vec(), tlv(0x03, &signature)].concat()).into()
    }

    fn with(id: u8, critical: bool, value: &[u8]) -> Self {
        let mut form = Self::default();
        form.extensions.push(extension(id, critical, value));
        form
    }
}

fn examined(list: &CertificateRevocationListDer<'_>, cas: &[&Ca]) -> Result<List, ListFault> {
    let parsed: Vec<_> = cas.iter().map(|ca| x509::parse(&ca.der).ok()).collect();
    examine(0, list, &parsed)
}

/// A distribution point with the full name `uri:a`.
const POINT: &[u8] = &[0xa0, 5, 0xa0, 3, 0x86, 1, b'a'];

#[test]
fn each_form_that_would_refuse_every_client_is_named() {
    let ca = ca("ca");
    let scope = |more: &[u8]| tlv(0x30, &[POINT, more].concat());
    let mut entry = Form::default();
    entry.entries.push((5, extension(99, true, &[5, 0])));
    let mut indirect_entry = Form::default();
    indirect_entry.entries.push((5, extension(29, true, &[0x30, 0])));
    let cases = [
        (Form { version: None, extensions: Vec::new(), ..Form::default() }, "is of version 1, expected version 2"),
        (Form { version: Some(0), ..Form::default() }, "is of version 1, expected version 2"),
        (Form { version: Some(2), ..Form::default() }, "is of version 3, expected version 2"),
        (Form { next_update: None, ..Form::default() }, "expected nextUpdate"),
        (Form { extensions: Vec::new(), ..Form::default() }, "has no extensions"),
        (Form::with(27, true, &[0x02, 1, 6]), "is a delta list"),
        (Form::with(28, true, &scope(&[0x84, 1, 0xff])), "is indirect"),
        (Form::with(28, true, &scope(&[0x83, 2, 0, 0x40])), "some reasons"),
        (Form::with(28, true, &scope(&[0x85, 1, 0xff])), "attribute certificates"),
        (Form::with(28, true, &tlv(0x30, &[0x81, 1, 0xff])), "without a full name"),
        (Form::with(99, true, &[5, 0]), "the critical extension 2.5.29.99"),
        (entry, "an entry (05) with the critical extension 2.5.29.99"),
        (indirect_entry, "is indirect"),
    ];
    for (form, words) in cases {
        let fault = examined(&form.signed_by(&ca), &[&ca]).unwrap_err();
        let text = fault.to_string();
        assert!(text.starts_with("the list of revoked certificates of \"CN=ca\" ") && text.contains(words), "{text}");
    }
    assert_eq!(examined(&b"0\0".to_vec().into(), &[&ca]).unwrap_err(), ListFault::Unreadable);
    // These are in use, and are no reason.
    for form in [Form::default(), Form::with(28, true, &scope(&[0x81, 1, 0xff])), Form::with(99, false, &[5, 0])] {
        assert!(examined(&form.signed_by(&ca), &[&ca]).is_ok());
    }
}

/// Whatever passes here must be a list that webpki takes, and the reverse holds for the kinds above.
#[test]
fn webpki_agrees_about_each_form() {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::server::WebPkiClientVerifier;

    let ca = ca("ca");
    let scope = tlv(0x30, &[POINT, &[0x84, 1, 0xff]].concat());
    let taken = |form: &Form| {
        let mut roots = RootCertStore::empty();
        roots.add(ca.der.clone()).unwrap();
        let provider = Arc::new(crate::tls::crypto::provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_crls([form.signed_by(&ca)]).build().is_ok()
    };
    let forms = [
        Form::default(),
        Form { version: None, extensions: Vec::new(), ..Form::default() },
        Form { next_update: None, ..Form::default() },
        Form { extensions: Vec::new(), ..Form::default() },
        Form::with(27, true, &[0x02, 1, 6]),
        Form::with(28, true, &scope),
        Form::with(99, true, &[5, 0]),
        Form::with(99, false, &[5, 0]),
    ];
    for (number, form) in forms.iter().enumerate() {
        assert_eq!(taken(form), examined(&form.signed_by(&ca), &[&ca]).is_ok(), "form {number}");
    }
}

#[test]
fn who_signed_it_is_found_among_namesakes() {
    let (one, twin, other) = (ca("ca"), ca("ca"), ca("other"));
    let list = Form::default().signed_by(&twin);
    assert_eq!(examined(&list, &[&other, &one, &twin]).unwrap().signer, 2);
    assert!(matches!(examined(&list, &[&other, &one]), Err(ListFault::Forged { issuer }) if issuer == "CN=ca"));
    assert!(matches!(examined(&list, &[&other]), Err(ListFault::Stranger { issuer }) if issuer == "CN=ca"));
    // The name as a PrintableString, where the certificate has a UTF8String: the same to a reader.
    let name = x509::parse(&one.der).unwrap().subject().as_raw().to_vec();
    let respelled: Vec<u8> = name.iter().map(|byte| if *byte == 0x0c { 0x13 } else { *byte }).collect();
    assert_ne!(name, respelled);
    let list = Form::default().named_and_signed(&respelled, &one, ALGORITHM);
    assert!(matches!(examined(&list, &[&one]), Err(ListFault::OtherName { .. })));
    // ecdsa-with-SHA1, which no client verifies any more.
    let sha1 = [0x30, 9, 0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    let list = Form::default().named_and_signed(&name, &one, &sha1);
    let fault = examined(&list, &[&one]).unwrap_err();
    assert!(matches!(&fault, ListFault::Algorithm { algorithm, .. } if algorithm == "1.2.840.10045.4.1"), "{fault}");
}

#[test]
fn entries_are_not_looked_at_before_the_signature_is_verified() {
    let (one, twin, other) = (ca("ca"), ca("ca"), ca("other"));
    let mut form = Form::default();
    form.entries.push((5, extension(99, true, &[5, 0])));
    assert!(matches!(examined(&form.signed_by(&one), &[&one]), Err(ListFault::Form { .. })));
    assert!(matches!(examined(&form.signed_by(&twin), &[&one]), Err(ListFault::Forged { .. })));
    assert!(matches!(examined(&form.signed_by(&twin), &[&other]), Err(ListFault::Stranger { .. })));
    // Not even where they are no entries.
    let mut broken = Form { entries: vec![(5, Vec::new())], ..Form::default() }.signed_by(&twin).to_vec();
    let serial = broken.windows(3).position(|bytes| bytes == [0x02, 1, 5]).unwrap();
    broken[serial] = 0x0c;
    assert!(matches!(examined(&broken.into(), &[&one]), Err(ListFault::Forged { .. })));
}

#[test]
fn an_issuer_longer_than_any_is_refused_before_it_is_read() {
    let ca = ca("ca");
    // commonName
    let relative = |value: &[u8]| tlv(0x31, &tlv(0x30, &[&[0x06, 3, 0x55, 4, 3], value].concat()));
    let (empty, control) = (relative(&[0x0c, 0]), |length: usize| relative(&tlv(0x0c, &vec![7; length])));
    let list = |issuer: &[u8]| Form::default().named_and_signed(&tlv(0x30, issuer), &ca, ALGORITHM);
    // Each part of a name takes hundreds of bytes where it is parsed, and each control character six where it is shown.
    for issuer in [empty.repeat(500_000), control(5_000_000), vec![0; 5_000_000]] {
        let found = tlv(0x30, &issuer).len();
        let fault = examined(&list(&issuer), &[&ca]).unwrap_err();
        assert_eq!(fault, ListFault::TooLong { part: "issuer", found, most: 8192 });
        assert!(fault.to_string().len() < 200, "{fault}");
    }
    // The longest that is read.
    for issuer in [empty.repeat(744), control(8169)] {
        let fault = examined(&list(&issuer), &[&ca]).unwrap_err();
        assert!(matches!(&fault, ListFault::Stranger { issuer } if issuer.chars().count() <= 515), "{fault}");
    }
}

#[test]
fn an_algorithm_longer_than_any_is_refused_before_it_is_read() {
    let ca = ca("ca");
    let name = x509::parse(&ca.der).unwrap().subject().as_raw().to_vec();
    // An object identifier of a million numbers.
    let algorithm = tlv(0x30, &tlv(0x06, &vec![1; 1_000_000]));
    let fault = examined(&Form::default().named_and_signed(&name, &ca, &algorithm), &[&ca]).unwrap_err();
    let found = algorithm.len();
    assert_eq!(fault, ListFault::TooLong { part: "signature algorithm", found, most: 8192 });
    let fault = examined(&Form::default().named_and_signed(&name, &ca, &tlv(0x30, &tlv(0x06, &[1; 8000]))), &[&ca]);
    let text = fault.unwrap_err().to_string();
    assert!(text.len() < 1000, "{} bytes", text.len());
}

#[test]
fn no_prefix_and_no_changed_byte_of_a_list_is_taken() {
    let ca = ca("ca");
    let mut form = Form::with(28, true, &tlv(0x30, POINT));
    form.entries.push((5, extension(21, false, &[0x0a, 1, 1])));
    let whole = form.signed_by(&ca);
    assert!(examined(&whole, &[&ca]).is_ok());
    for end in 0..whole.len() {
        assert!(examined(&whole[..end].to_vec().into(), &[&ca]).is_err(), "{end}");
        let mut changed = whole.to_vec();
        changed[end] ^= 0x01;
        assert!(examined(&changed.into(), &[&ca]).is_err(), "byte {end}");
    }
}

#[test]
fn of_several_the_newest_counts() {
    let ca = ca("ca");
    let number = |number: &[u8]| Form { extensions: vec![extension(20, false, &tlv(0x02, number))], ..Form::default() };
    let later = Form { this_update: "260601000000Z", ..number(&[9]) };
    let scoped = Form::with(28, true, &tlv(0x30, POINT));
    let lists = [number(&[9]), later, number(&[1, 0]), number(&[8]), scoped];
    let examined =
        lists.iter().enumerate().map(|(index, form)| List { index, ..examined(&form.signed_by(&ca), &[&ca]).unwrap() });
    let (kept, replaced) = newest(examined.collect(), |one, other| one == other);
    // 256 is more than 9; what covers something else stays.
    assert_eq!(kept.iter().map(|list| list.index).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(replaced.iter().map(|list| list.index).collect::<Vec<_>>(), [1, 0, 3]);
}
