//! The answer to an update: whether it is authentic, and what it means. Must not know: how it was received.

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::TSigVerifier;
use hickory_resolver::proto::rr::rdata::tsig::{TSIG, TsigError};

use crate::acme::settings::Update;

/// What the answer belongs to.
pub(super) struct Sent<'a> {
    pub(super) update: &'a Update,
    pub(super) fqdn: &'a str,
    pub(super) id: u16,
    /// When it was signed.
    pub(super) now: u64,
    /// `None` if it was not signed.
    pub(super) verifier: Option<TSigVerifier>,
}

/// `Ok` only for an authentic answer that the update was done. That it was not done is believed without a signature: a server
/// that does not know the key cannot sign (RFC 8945 section 5.2).
pub(super) fn judge(bytes: &[u8], sent: Sent<'_>) -> Result<(), String> {
    // This comes before the signature is verified: a message that is whole has no counts that could overflow there.
    let message = Message::from_vec(bytes).map_err(|error| format!("its answer is not a DNS message: {error}"))?;
    if message.id != sent.id || message.message_type != MessageType::Response || message.op_code != OpCode::Update {
        return Err("its answer does not belong to the update".into());
    }
    if let Some(error) = message.signature().and_then(|tsig| signature_refused(&tsig.data, &sent)) {
        return Err(error);
    }
    match (message.response_code, sent.verifier) {
        (ResponseCode::NoError, None) => Ok(()),
        (ResponseCode::NoError, Some(_)) if message.signature().is_none() => {
            Err("it answers that the update is done, but without a signature, which the key of dns.tsig_name needs"
                .into())
        }
        (ResponseCode::NoError, Some(mut verifier)) => match verifier.verify(bytes) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the signature of its answer is not valid: {error}")),
        },
        (code, _) => Err(refused(code, sent.update, sent.fqdn)),
    }
}

/// An error about the signature of the update (RFC 8945 section 5.2).
fn signature_refused(tsig: &TSIG, sent: &Sent<'_>) -> Option<String> {
    let key = sent.update.tsig.as_ref().map_or("", |tsig| &tsig.name);
    Some(match tsig.error? {
        TsigError::BadKey => format!(
            "it does not know the key {key:?} with the algorithm {} (BADKEY); look at dns.tsig_name and dns.tsig_algorithm, \
             and at the keys of the server",
            tsig.algorithm
        ),
        TsigError::BadSig => format!(
            "it has another secret for the key {key:?} (BADSIG); look at dns.tsig_key_file, and at the key of the server"
        ),
        TsigError::BadTime => {
            let there = tsig.other.iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
            format!(
                "its clock differs by more than the allowed time (BADTIME): it is {} here, and {there} there, in seconds \
                 since 1970; look at both clocks",
                sent.now
            )
        }
        TsigError::BadTrunc => format!("it expects a longer signature with the key {key:?} (BADTRUNC)"),
        TsigError::Unknown(0) => return None,
        TsigError::Unknown(code) => format!("it refuses the signature with the key {key:?} (TSIG error {code})"),
    })
}

fn refused(code: ResponseCode, update: &Update, fqdn: &str) -> String {
    let zone = &update.zone;
    let who = match &update.tsig {
        Some(tsig) => format!("the key {:?}", tsig.name),
        None => "an update without a signature".into(),
    };
    match code {
        ResponseCode::Refused => format!(
            "it refuses the update (REFUSED); look whether the server allows {who} to change TXT records of {fqdn} in the zone \
             {zone} (BIND: update-policy or allow-update)"
        ),
        // Knot answers this, too, where its rules do not allow the update.
        ResponseCode::NotAuth => format!(
            "it is not the primary server of the zone {zone}, or does not allow {who} to change it (NOTAUTH); look at dns.zone \
             and dns.server, and whether the server allows it (Knot: acl with action update)"
        ),
        ResponseCode::NotZone => format!("{fqdn} is not in the zone {zone} there (NOTZONE); look at dns.zone"),
        ResponseCode::NotImp => "it takes no updates (NOTIMP); look whether dns.server is the primary server".into(),
        ResponseCode::ServFail => format!(
            "it cannot change the zone {zone} (SERVFAIL); look at its log: often it may not write the zone's file or journal"
        ),
        ResponseCode::FormErr => "it does not understand the update (FORMERR)".into(),
        other => format!("it did not do the update: {other}"),
    }
}

#[cfg(test)]
mod tests;
