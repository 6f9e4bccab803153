//! A certificate → the distribution points of the list that could revoke it (RFC 5280 section 4.2.1.13). Must not know:
//! whether the certificate is good, what is fetched.

use x509_parser::extensions::{CRLDistributionPoints, DistributionPointName, GeneralName, ParsedExtension};

use crate::tls::certificate::x509;

/// The URLs under which one list can be fetched, each as good as the other, in the order of the certificate. At least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Point(pub Vec<String>);

/// The points of a certificate from which a whole list of its own issuer comes by HTTP or HTTPS; none where it cannot be read.
pub fn of(certificate: &[u8]) -> Vec<Point> {
    let Ok(parsed) = x509::parse(certificate) else { return Vec::new() };
    let points = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => Some(points),
        _ => None,
    });
    points.map(usable).unwrap_or_default()
}

fn usable(points: &CRLDistributionPoints<'_>) -> Vec<Point> {
    // A list for some reasons alone, or by another issuer, could not be used.
    let whole = points.points.iter().filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
    let urls = whole.filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
    });
    let urls = urls.map(|names| {
        let uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) if is_web(uri) => Some((*uri).to_owned()),
            _ => None,
        });
        Point(uris.take(MOST_URLS).collect())
    });
    urls.filter(|point| !point.0.is_empty()).take(MOST_POINTS).collect()
}

/// Whether it is a URL that could be asked for over the web. Certificates also have ldap URLs.
fn is_web(uri: &str) -> bool {
    let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    uri.len() <= LONGEST_URL
        && uri.bytes().all(|byte| byte.is_ascii_graphic())
        && matches!(scheme.as_deref(), Some("http" | "https"))
}

/// Of one certificate. Authorities write one; those that split their lists, one for each certificate.
const MOST_POINTS: usize = 4;

/// Of one point.
const MOST_URLS: usize = 4;

/// What browsers and servers handle at least (RFC 9110 section 4.1 has 8000).
const LONGEST_URL: usize = 2048;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CrlDistributionPoint, KeyPair};

    use super::*;

    fn certificate(points: &[&[&str]]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let point = |uris: &&[&str]| CrlDistributionPoint { uris: uris.iter().map(ToString::to_string).collect() };
        params.crl_distribution_points = points.iter().map(point).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn found(points: &[&[&str]]) -> Vec<Vec<String>> {
        of(&certificate(points)).into_iter().map(|point| point.0).collect()
    }

    #[test]
    fn only_urls_of_the_web_are_taken() {
        assert_eq!(found(&[]), [] as [Vec<String>; 0]);
        assert_eq!(found(&[&["http://a.test/1.crl"]]), [["http://a.test/1.crl"]]);
        assert_eq!(
            found(&[&["ldap://a.test/cn=1", "HTTP://a.test/1", "https://b.test/1"]]),
            [["HTTP://a.test/1", "https://b.test/1"]]
        );
        for other in ["ldap://a.test/", "file:///etc/passwd", "http:/a.test", "a.test", "http://a.test/a b", ""] {
            assert_eq!(found(&[&[other]]), [] as [Vec<String>; 0], "{other}");
        }
        let long = format!("http://a.test/{}", "a".repeat(LONGEST_URL));
        assert_eq!(found(&[&[&long]]), [] as [Vec<String>; 0]);
    }

    #[test]
    fn they_are_few_however_many_a_certificate_has() {
        let many: Vec<&[&str]> = vec![&["http://a/1", "http://a/2", "http://a/3", "http://a/4", "http://a/5"]; 9];
        let found = found(&many);
        assert_eq!((found.len(), found[0].len()), (MOST_POINTS, MOST_URLS));
    }

    #[test]
    fn a_certificate_that_was_cut_has_none() {
        let whole = certificate(&[&["http://a.test/1.crl", "http://b.test/1.crl"]]);
        assert_eq!(of(&whole).len(), 1);
        for end in 0..whole.len() {
            assert_eq!(of(&whole[..end]), [], "{end}");
        }
        // Any byte may be wrong; nothing may panic.
        for at in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[at] ^= 0xff;
            let _ = of(&wrong);
        }
    }
}
