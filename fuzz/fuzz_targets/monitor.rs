//! Messages between the serving process and its monitor: any bytes are a message or refused, and one that is encoded again
//! is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlsgate::monitor::message::{Answer, Request};

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = Request::decode(data) {
        assert_eq!(Request::decode(&request.encode()), Ok(request));
    }
    if let Ok(answer) = Answer::decode(data) {
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
});
