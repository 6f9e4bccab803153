//! What a certificate may be used for.

use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyPair};

use super::*;

fn read(params: &CertificateParams) -> Purposes {
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    purposes(&x509::parse(certificate.der()).unwrap())
}

#[test]
fn only_the_purposes_that_are_named_count_unless_none_is() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    for (usages, server, client) in [
        (vec![], true, true),
        (vec![ServerAuth], true, false),
        (vec![ClientAuth], false, true),
        (vec![ClientAuth, ServerAuth], true, true),
        (vec![Any], false, false),
        (vec![Any, ServerAuth], true, false),
    ] {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.extended_key_usages = usages.clone();
        assert_eq!(read(&params), Purposes { server, client }, "{usages:?}");
    }
    let mut malformed = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    malformed.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 37], vec![0x30, 9, 1])];
    assert_eq!(read(&malformed), Purposes { server: false, client: false });
}
