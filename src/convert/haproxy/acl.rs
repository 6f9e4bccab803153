//! Conditions of HAProxy, as far as tlsgate can choose by them: server names, application protocols, addresses of clients.
//! Must not know: what depends on a condition.

use std::collections::HashMap;

use super::lines::Words;

/// What a test looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    /// Names of the SNI, or one-label wildcards. `before`: as it is seen before TLS is terminated.
    Name {
        names: Vec<String>,
        before: bool,
        deep: bool,
    },
    Alpn {
        protocols: Vec<String>,
        before: bool,
    },
    Source(Vec<String>),
    /// The bytes are TLS, or the condition is always true.
    Tls,
    Never,
    Other,
}

/// A test, or its opposite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) test: Test,
}

/// Tests of that name: one of them must match.
pub(super) type Acls = HashMap<String, Vec<Test>>;

/// Reads `acl NAME TEST`.
pub(super) fn acl(words: &Words, acls: &mut Acls) {
    let test = test(words.after(2));
    acls.entry(words.at(1).to_owned()).or_default().push(test);
}

/// The condition behind `if` or `unless`: one of the lists must hold, and each of its terms. `None` where there is no
/// condition, or it cannot be understood.
pub(super) fn condition(words: &[String], acls: &Acls) -> Option<Vec<Vec<Term>>> {
    let mut any = vec![Vec::new()];
    let mut words = words.iter();
    let mut negated = false;
    while let Some(word) = words.next() {
        let (bang, word) = match word.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, word.as_str()),
        };
        negated ^= bang;
        let tests = match word {
            "" => continue,
            "or" | "||" => {
                any.push(Vec::new());
                continue;
            }
            "{" => {
                let inner: Vec<String> = words.by_ref().take_while(|word| *word != "}").cloned().collect();
                vec![test(&inner)]
            }
            "TRUE" => vec![Test::Tls],
            "FALSE" => vec![Test::Never],
            name => acls.get(name).cloned().unwrap_or_else(|| vec![Test::Other]),
        };
        let last = any.last_mut()?;
        last.push(Term { negated, test: merged(tests) });
        negated = false;
    }
    any.retain(|terms| !terms.is_empty());
    (!any.is_empty()).then_some(any)
}

/// Several lines of one name: they are one test if they look at the same.
fn merged(tests: Vec<Test>) -> Test {
    let mut tests = tests.into_iter();
    let Some(mut all) = tests.next() else { return Test::Other };
    for test in tests {
        all = match (all, test) {
            (Test::Name { mut names, before, deep }, Test::Name { names: more, before: other, deep: too })
                if before == other =>
            {
                names.extend(more);
                Test::Name { names, before, deep: deep || too }
            }
            (Test::Alpn { mut protocols, before }, Test::Alpn { protocols: more, before: other })
                if before == other =>
            {
                protocols.extend(more);
                Test::Alpn { protocols, before }
            }
            (Test::Source(mut nets), Test::Source(more)) => {
                nets.extend(more);
                Test::Source(nets)
            }
            _ => return Test::Other,
        };
    }
    all
}

/// `FETCH [flags] VALUES`
fn test(words: &[String]) -> Test {
    let Some((fetch, rest)) = words.split_first() else { return Test::Other };
    let (mut values, mut kind) = (Vec::new(), "str");
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match &**word {
            "-i" | "-n" | "-u" | "--" if values.is_empty() => {}
            "-m" if values.is_empty() => kind = rest.next().map_or("", String::as_str),
            // Patterns in a file.
            "-f" | "-M" if values.is_empty() => return Test::Other,
            _ => values.push(word.clone()),
        }
    }
    let (fetch, converters) = fetch.split_once(',').unwrap_or((fetch, ""));
    if !["", "lower"].contains(&converters) {
        return Test::Other;
    }
    let (fetch, kind) = match fetch.strip_suffix("_end") {
        Some(fetch) if kind == "str" => (fetch, "end"),
        _ => (fetch, kind),
    };
    match fetch {
        "req.ssl_sni" | "req_ssl_sni" => names(values, kind, true),
        "ssl_fc_sni" => names(values, kind, false),
        "req.ssl_alpn" | "ssl_fc_alpn" if kind == "str" && !values.is_empty() => {
            Test::Alpn { protocols: values, before: fetch != "ssl_fc_alpn" }
        }
        "src" if !values.is_empty() => Test::Source(values),
        "req.ssl_hello_type" | "req_ssl_hello_type" if values == ["1"] => Test::Tls,
        "ssl_fc" if values.is_empty() || values == ["1"] => Test::Tls,
        "always_true" => Test::Tls,
        "always_false" => Test::Never,
        _ => Test::Other,
    }
}

fn names(values: Vec<String>, kind: &str, before: bool) -> Test {
    let suffix = |value: &String| value.strip_prefix('.').map(|rest| format!("*.{rest}"));
    let (names, deep) = match kind {
        "str" => (Some(values), false),
        "end" => (values.iter().map(suffix).collect(), true),
        _ => (None, false),
    };
    match names.filter(|names: &Vec<String>| !names.is_empty()) {
        Some(names) => Test::Name { names, before, deep },
        None => Test::Other,
    }
}
