use super::*;

const WHOLE: &str = "pkcs11:token=The%20token;manufacturer=A%20B;serial=00ff;model=v2;slot-description=s;slot-id=7;slot-manufacturer=m;library-description=l;library-manufacturer=n;library-version=2.6;object=k%3B%C3%A4;id=%00%FF%01;type=private;x-a=1?module-path=/usr/lib/a%20b.so&pin-source=file:/etc/pin%26&vendor-b=2";

fn short(rest: &str) -> Result<Uri, String> {
    Uri::parse(&format!("pkcs11:{rest}"))
}

#[test]
fn every_attribute_is_read_and_written_back() {
    let uri = Uri::parse(WHOLE).unwrap();
    assert_eq!(uri.given(Attribute::Token), Some(&b"The token"[..]));
    assert_eq!(uri.given(Attribute::Object), Some("k;ä".as_bytes()));
    assert_eq!(uri.given(Attribute::Id), Some(&[0, 255, 1][..]));
    assert_eq!(uri.given(Attribute::SlotId), Some(&b"7"[..]));
    assert_eq!(uri.module, PathBuf::from("/usr/lib/a b.so"));
    assert_eq!(uri.pin, Some(Source::File("/etc/pin&".into())));
    assert_eq!(uri.written(), WHOLE);
    assert_eq!(Uri::parse(&uri.written()), Ok(uri));
}

#[test]
fn the_order_of_attributes_and_unneeded_encoding_make_no_difference() {
    let one = short("object=k;token=t?pin-source=credential:pin&module-path=/m.so");
    let other = short("token=%74;object=k?module-path=%2fm.so&pin-source=credential%3Apin");
    assert_eq!(one, other);
    assert_eq!(Uri::parse("PKCS11:token=t;object=k?module-path=/m.so&pin-source=credential:pin"), one);
}

#[test]
fn what_is_shown_to_people_says_nothing_of_the_pin_and_the_module() {
    let uri = short("token=t;object=k;id=a%01?module-path=/m.so&pin-source=file:/secret").unwrap();
    assert_eq!(uri.to_string(), "pkcs11:token=t;object=k;id=%61%01");
    assert_eq!(uri.token(), "pkcs11:token=t");
}

#[test]
fn every_prefix_is_read_or_refused() {
    for end in (0..WHOLE.len()).filter(|end| WHOLE.is_char_boundary(*end)) {
        if let Ok(uri) = Uri::parse(&WHOLE[..end]) {
            assert_eq!(Uri::parse(&uri.written()), Ok(uri));
        }
    }
}

#[test]
fn what_is_wrong_is_named() {
    let module = "?module-path=/m.so";
    for (rest, part) in [
        (format!("object=k{module}"), "names no token"),
        (format!("token=t{module}"), "names no key"),
        (format!("token=t;token=u;object=k{module}"), "token is given twice"),
        (format!("token=t;obejct=k{module}"), "\"obejct\", expected \"token\""),
        (format!("token=t;object{module}"), "without \"=\""),
        (format!("token=t;;object=k{module}"), "without \"=\""),
        (format!("token=t;=k{module}"), "expected a name of letters"),
        (format!("token=t;object=k l{module}"), "expected it as %20"),
        (format!("token=t;object=%4{module}"), "two hexadecimal digits"),
        (format!("token=t;object=%zz{module}"), "two hexadecimal digits"),
        (format!("token=t;object=ä{module}"), "expected it as %C3%A4"),
        (format!("token=%FF;object=k{module}"), "token is not text in UTF-8"),
        (format!("token=t;object=k;type=cert{module}"), "found \"cert\", expected \"private\""),
        (format!("slot-id=x;object=k{module}"), "expected a number"),
        (format!("slot-id=+1;object=k{module}"), "expected a number"),
        (format!("token=t;id={module}"), "id is empty"),
        ("token=t;object=k".into(), "names no module"),
        ("token=t;object=k?module-name=softhsm2".into(), "has a module-name"),
        ("token=t;object=k?module-path=softhsm2.so".into(), "expected an absolute path"),
        (format!("token=t;object=k{module}&module-path=/n.so"), "module-path is given twice"),
        (format!("token=t;object=k{module}&pin-source=|/bin/pin"), "found a command, expected \"file:PATH\""),
        (format!("token=t;object=k{module}&pin-source=1234"), "found something else, expected \"file:PATH\""),
        (format!("token=t;object=k{module}&unknown=1"), "expected module-path or pin-source"),
    ] {
        let error = short(&rest).unwrap_err();
        assert!(error.contains(part), "{rest}: {error}");
    }
    assert!(Uri::parse("pkcs12:token=t").is_err());
}

#[test]
fn a_pin_in_the_uri_is_refused_and_not_shown() {
    for rest in ["pin-value=987654", "pin-value=987654%", "pin-value=9876 54", "module-path=/m.so&pin-value=987654"] {
        let error = short(&format!("token=t;object=k?{rest}")).unwrap_err();
        assert!(error.contains("pin-source") && error.contains("passphrase") && !error.contains("9876"), "{error}");
    }
    let error = short("token=t;object=k?module-path=/m.so&pin-source=987654").unwrap_err();
    assert!(!error.contains("9876"), "{error}");
}

#[test]
fn a_pin_comes_from_where_passphrases_do() {
    for (written, source) in [
        ("file:/etc/pin", Source::File("/etc/pin".into())),
        ("file:///etc/pin", Source::File("/etc/pin".into())),
        ("/etc/pin", Source::File("/etc/pin".into())),
        ("file:pin", Source::File("pin".into())),
        ("credential:pin", Source::Credential("pin".into())),
        ("program:/usr/bin/pin", Source::Program("/usr/bin/pin".into())),
    ] {
        let uri = short(&format!("token=t;object=k?module-path=/m.so&pin-source={written}")).unwrap();
        assert_eq!(uri.pin, Some(source));
    }
    let uri = short("token=t;object=k?module-path=/m.so&pin-source=file:pin").unwrap().below(Path::new("/etc"));
    assert_eq!(uri.pin, Some(Source::File("/etc/pin".into())));
}

#[test]
fn texts_of_a_token_are_compared_without_their_padding() {
    let uri = short("token=my%20token;object=k?module-path=/m.so").unwrap();
    assert!(uri.fits(Attribute::Token, "my token   ") && uri.fits(Attribute::Serial, "anything"));
    assert!(!uri.fits(Attribute::Token, "my token 2"));
}
