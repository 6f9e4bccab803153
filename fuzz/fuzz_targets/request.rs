//! Requests for certificates, and encrypted keys: nothing panics, and no name is granted that was not allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::authority::request;
use tlsgate::authority::subject::Purpose;
use tlsgate::tls::encrypted;

fuzz_target!(|data: &[u8]| {
    for purpose in [Purpose::Server, Purpose::Client] {
        if let Ok(request) = request::read(data, purpose) {
            assert!(request.asks_only_for(&[]).is_err());
            assert_eq!(request.asks_only_for(&request.names).is_ok(), !request.names.is_empty());
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(der) = encrypted::from_pem(text)
    {
        assert_eq!(encrypted::from_pem(&encrypted::to_pem(&der)), Some(der));
    }
});
