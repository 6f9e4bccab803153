//! Adds and removes certificates: checks, writes, reloads, and undoes the change where the reload fails. Must not know: how
//! files are written, how a reload works.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::admin::change::pair::{Change, Pair};
use crate::admin::change::text::unescaped;
use crate::admin::change::{folder, process};
use crate::admin::request::answer::Answer;
use crate::admin::view::listing;
use crate::passphrase::Source as Passphrase;
use crate::reload::control::Control;
use crate::reload::report::Report;
use crate::tls::certificate::certified::Certificate;
use crate::tls::certificate::pem;
use crate::tls::certificate::unlock;
use crate::tls::handshake::never_served;

/// The request to add a certificate, as sent. Not `Debug`: it contains a private key, which is wiped when it is dropped.
struct Sent {
    name: Zeroizing<String>,
    certificate: Zeroizing<String>,
    key: Zeroizing<String>,
}

/// Adds a certificate to a listener, or replaces the one with that name.
pub(in crate::admin) async fn add(control: &Control, listener: &str, body: &[u8]) -> Answer {
    let sent = match Sent::read(body) {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let (config, name) = (Arc::clone(&control.status.borrow().config), listener.to_owned());
    let found = looked_up(move || {
        let (pair, replaces) = folder::to_write(&config, &name, &sent.name)?;
        let built = sent.built(&pair, &config.keys.passphrases)?;
        Ok((sent, pair, replaces, built))
    });
    let (sent, pair, replaces, built) = match found.await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let snapshot = control.current.load();
    let terminators = snapshot.listener(listener).into_iter().flat_map(|listener| listener.ways.terminators());
    // Refused only if no policy of the listener could use it: `collect` is `None` as soon as one can.
    let reasons: Option<Vec<_>> = terminators.map(|terminator| never_served(&built, &terminator.policy)).collect();
    if let Some(reason) = reasons.and_then(|reasons| reasons.into_iter().next()) {
        return Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &format!("certificate: {reason}"));
    }
    let elsewhere = certificates(control, listener).into_iter().find(|other| other.fingerprint == built.fingerprint);
    if let Some(other) = elsewhere.filter(|other| other.label != built.label) {
        let message = format!("this certificate already exists as {}", other.label);
        return Answer::error(StatusCode::CONFLICT, &message);
    }
    let files = pair.clone();
    let written = match aside(move || Change::write(&files, &sent.certificate, &sent.key)).await {
        Ok(written) => written,
        Err(error) => return unwritten(&pair, &error),
    };
    let changes =
        match swapped(control, written, |after| after.iter().any(|other| other.key.cert == built.key.cert), listener)
            .await
        {
            Ok(changes) => changes,
            Err(refusal) => return refusal,
        };
    tracing::info!(listener, certificate = %built.label, "a certificate was added through the admin API");
    let status = if replaces { StatusCode::OK } else { StatusCode::CREATED };
    let shown = listing::certificate(&built, Timestamp::now().as_second());
    Answer::json(status, &json!({ "certificate": shown, "changes": changes }))
}

/// Removes a certificate from a listener's folder.
pub(in crate::admin) async fn remove(control: &Control, listener: &str, name: &str) -> Answer {
    let config = Arc::clone(&control.status.borrow().config);
    let (owned_listener, owned_name) = (listener.to_owned(), name.to_owned());
    let pair = match looked_up(move || folder::to_remove(&config, &owned_listener, &owned_name)).await {
        Ok(pair) => pair,
        Err(refusal) => return refusal,
    };
    let label = pair.certificate_path().display().to_string();
    let snapshot = control.current.load();
    // Every listener, since several may share the folder.
    let without = snapshot.listeners().find(|other| {
        let mut terminators = other.ways.terminators();
        terminators.any(|terminator| {
            let all = terminator.certificates.all();
            !all.is_empty() && all.iter().all(|certificate| *certificate.label == *label)
        })
    });
    if let Some(without) = without {
        let message = format!("listener {:?} would be left without a certificate", without.name);
        return Answer::error(StatusCode::CONFLICT, &message);
    }
    let files = pair.clone();
    let removed = match aside(move || Change::remove(&files)).await {
        Ok(removed) => removed,
        Err(error) => return unwritten(&pair, &error),
    };
    let gone = |after: &[Arc<Certificate>]| after.iter().all(|other| *other.label != *label);
    match swapped(control, removed, gone, listener).await {
        Ok(changes) => {
            tracing::info!(listener, certificate = %label, "a certificate was removed through the admin API");
            Answer::ok(&json!({ "changes": changes }))
        }
        Err(refusal) => refusal,
    }
}

impl Sent {
    /// Parses a body. The errors contain nothing of it.
    fn read(body: &[u8]) -> Result<Self, Answer> {
        // By hand: the errors of a derived deserializer quote what they found, which may be the key.
        let malformed = |message: &str| Answer::error(StatusCode::BAD_REQUEST, message);
        let not_json = |error: serde_json::Error| {
            malformed(&format!("the body is not JSON, from line {}, column {}", error.line(), error.column()))
        };
        // The values stay in the body: a parser that turned them into texts would leave parts of the key in memory.
        let mut fields = match serde_json::from_slice::<HashMap<&str, &RawValue>>(body) {
            Ok(fields) => fields,
            Err(error) if error.is_data() => return Err(malformed(EXPECTED)),
            Err(error) => return Err(not_json(error)),
        };
        let mut text = |name| {
            let raw = fields.remove(name).and_then(|value| unescaped(value.get()));
            raw.ok_or_else(|| malformed(EXPECTED))
        };
        let sent = Self { name: text("name")?, certificate: text("certificate")?, key: text("key")? };
        if fields.is_empty() { Ok(sent) } else { Err(malformed(EXPECTED)) }
    }

    /// The certificate as a reload will build it.
    fn built(&self, pair: &Pair, passphrases: &[Passphrase]) -> Result<Certificate, Answer> {
        let wrong = |field: &str, message: &dyn std::fmt::Display| {
            Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &format!("{field}: {message}"))
        };
        // The certificate's file is readable for everyone.
        if self.certificate.contains("PRIVATE KEY-----") {
            return Err(wrong("certificate", &"contains a private key, expected certificates only"));
        }
        let chain = pem::read(self.certificate.as_bytes()).map_err(|error| wrong("certificate", &error))?;
        let key = pem::read_with_encrypted(self.key.as_bytes()).map_err(|error| wrong("key", &error))?;
        let file = pair.folder.join(&pair.key);
        let keys = unlock::keys(key, &file, passphrases).map_err(|error| wrong("key", &error))?;
        let label = pair.certificate_path().display().to_string();
        Certificate::build(&label, chain.certificates, keys, None).map_err(|error| wrong("certificate and key", &error))
    }
}

/// Reloads, and returns what changed if the reload succeeded and `expected` holds for the listener's certificates.
/// Otherwise undoes the change of the files.
async fn swapped(
    control: &Control,
    made: Change,
    expected: impl Fn(&[Arc<Certificate>]) -> bool,
    listener: &str,
) -> Result<Vec<String>, Answer> {
    let refusal = match control.reload().await.as_deref() {
        Ok(Report::Swapped(changes)) if expected(&certificates(control, listener)) => {
            if let Err(error) = aside(move || made.keep()).await {
                tracing::warn!(%error, "what is left of a change of certificate files is removed at the next change");
            }
            return Ok(changes.clone());
        }
        Ok(Report::Swapped(_)) => {
            let message = "the reload did not use it (the warnings in the log have the reason); nothing was changed";
            Answer::error(StatusCode::CONFLICT, message)
        }
        Ok(Report::Failed(errors)) => process::failed(StatusCode::CONFLICT, errors),
        Err(stopping) => Answer::error(StatusCode::SERVICE_UNAVAILABLE, &stopping.to_string()),
    };
    if let Err(error) = aside(move || made.take_back()).await {
        tracing::error!(%error, "cannot undo a change of certificate files");
        let message = format!("the change failed, and cannot be undone: {error}");
        return Err(Answer::error(StatusCode::INTERNAL_SERVER_ERROR, &message));
    }
    // After a swap, this loads the old certificates again. After a failure, it clears the error that the status shows.
    if control.reload().await.is_err() {
        tracing::info!("the certificate files are as they were; tlsgate is stopping");
    }
    Err(refusal)
}

/// Looks at files on another thread: a folder may be on a disk that does not answer, and other requests must not wait for
/// it.
async fn looked_up<T: Send + 'static>(look: impl FnOnce() -> Result<T, Answer> + Send + 'static) -> Result<T, Answer> {
    spawn_blocking(look).await.unwrap_or_else(|error| {
        Err(Answer::error(StatusCode::INTERNAL_SERVER_ERROR, &format!("cannot look at the folder: {error}")))
    })
}

/// Does work that waits for a disk on another thread.
async fn aside<T: Send + 'static>(act: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(act).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn certificates(control: &Control, listener: &str) -> Vec<Arc<Certificate>> {
    let snapshot = control.current.load();
    let found = snapshot.listener(listener).map(|listener| listener.ways.certificates().into_iter().cloned().collect());
    found.unwrap_or_default()
}

fn unwritten(pair: &Pair, error: &std::io::Error) -> Answer {
    let message = format!("cannot change {}: {error}", pair.folder.display());
    Answer::error(StatusCode::INTERNAL_SERVER_ERROR, &message)
}

const EXPECTED: &str =
    "unexpected body (expected a JSON object with \"name\", \"certificate\" and \"key\", all strings)";
