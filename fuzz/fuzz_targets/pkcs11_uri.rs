//! `pkcs11:` URIs: read or refused, shown as a text that is read as the same again, and never with a PIN.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::tls::token::uri::{self, Uri};

fuzz_target!(|text: &str| {
    match Uri::parse(text) {
        Ok(read) => {
            assert!(uri::is_uri(text));
            let written = read.written();
            assert_eq!(Uri::parse(&written).as_ref(), Ok(&read), "{written:?}");
            assert!(read.module.is_absolute());
            let shown = read.to_string();
            assert!(
                shown.is_ascii()
                    && !shown.contains("pin-source=")
                    && !shown.contains("pin-value=")
                    && shown.starts_with(&read.token()),
                "{shown:?}"
            );
        }
        Err(error) => assert!(!error.is_empty()),
    }
    // Whatever is around it, a PIN in a URI is refused and not part of the error.
    let with_pin = format!("pkcs11:token=t;object=k?pin-value=20394857&{text}");
    let error = Uri::parse(&with_pin).expect_err("a PIN in the configuration");
    assert!(!error.contains("20394857") || text.contains("20394857"), "{error}");
});
