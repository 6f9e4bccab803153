//! Whether a client can go on with what the server has chosen: whether it had offered that. Must not know: certificates,
//! connections.

use crate::cli::probe::visit::Agreed;
use crate::tls::wire::codes;
use crate::tls::wire::draft::Draft;

/// What the client objects to; `None` if it had offered all of it.
pub(super) fn objection(draft: &Draft, agreed: &Agreed, scheme: Option<u16>) -> Option<String> {
    let offers = draft.offers();
    let not_offered = |what: &str| Some(format!("it chooses {what}, which the client does not offer"));
    if !offers.versions.contains(&agreed.version) {
        return not_offered(&codes::version_name(agreed.version));
    }
    if !offers.suites.contains(&agreed.suite) {
        return not_offered(&codes::suite_name(agreed.suite));
    }
    // A client without these extensions accepts what the server has (RFC 8422 section 4, RFC 5246 section 7.4.1.4.1).
    if let Some(group) = agreed.group.filter(|group| offers.groups.as_ref().is_some_and(|all| !all.contains(group))) {
        return not_offered(&codes::group_name(group));
    }
    let scheme = scheme.filter(|scheme| offers.schemes.as_ref().is_some_and(|all| !all.contains(scheme)))?;
    not_offered(&codes::scheme_name(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::clients;

    #[test]
    fn what_was_not_offered_is_named() {
        let curl = Draft::parse(&clients::named("curl").unwrap().hello().unwrap()).unwrap();
        let good = Agreed { version: 0x0304, suite: 0x1301, group: Some(0x001d) };
        assert_eq!(objection(&curl, &good, Some(0x0403)), None);
        for (agreed, scheme, name) in [
            (Agreed { version: 0x0300, ..good }, Some(0x0403), "SSLv3"),
            (Agreed { suite: 0x1304, ..good }, Some(0x0403), "TLS_AES_128_CCM_SHA256"),
            (Agreed { group: Some(0x11ec), ..good }, Some(0x0403), "X25519MLKEM768"),
            (good, Some(0x0904), "mldsa44"),
        ] {
            let expected = format!("it chooses {name}, which the client does not offer");
            assert_eq!(objection(&curl, &agreed, scheme), Some(expected));
        }
        // Without supported_versions, the hello's own version is the highest.
        let old = Draft::parse(&clients::named("openssl1.0").unwrap().hello().unwrap()).unwrap();
        let tls12 = Agreed { version: 0x0303, suite: 0xc02f, group: Some(0x0017) };
        assert_eq!(objection(&old, &tls12, Some(0x0601)), None);
        assert!(objection(&old, &Agreed { version: 0x0304, ..tls12 }, None).is_some());
    }
}
