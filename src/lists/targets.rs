//! What is to be fetched: one target for each list, from the settings, the certificates of CAs and what peers have shown. Must
//! not know: when it is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::lists::authorities;
use crate::lists::settings::{From, MOST, Settings};
use crate::lists::url::Url;
use crate::tls::trust::lists::points::Point;

/// A list that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is, best first; at least one. The first one gives the list its name.
    pub urls: Vec<Arc<Url>>,
    /// The files with the CAs that may have signed it.
    pub ca: BTreeSet<PathBuf>,
    /// The distribution point that peers have shown; `None` where the list follows from the configuration alone.
    pub shown: Option<Point>,
    /// Whether a key names it by its URL.
    pub named: bool,
}

impl Target {
    /// The URL that gives the list its name.
    pub fn url(&self) -> Option<&Arc<Url>> {
        self.urls.first()
    }
}

/// The targets, sorted by URL; and why some of them may be missing.
pub fn of(settings: &Settings, shown: &BTreeSet<Point>) -> (Vec<Target>, Vec<String>) {
    let mut all: BTreeMap<Arc<Url>, Target> = BTreeMap::new();
    let mut troubles = Vec::new();
    let mut by_points: BTreeSet<PathBuf> = BTreeSet::new();
    for wanted in &settings.wanted {
        match &wanted.from {
            From::Url(url) => {
                let target = entry(&mut all, url, std::slice::from_ref(url));
                target.named = true;
                target.ca.extend(wanted.ca.iter().cloned());
            }
            From::Points => by_points.extend(wanted.ca.iter().cloned()),
        }
    }
    if by_points.is_empty() {
        return (all.into_values().collect(), troubles);
    }
    let own = match authorities::read(&by_points) {
        Ok(certificates) => authorities::points(&certificates),
        Err(trouble) => {
            troubles.push(trouble);
            BTreeSet::new()
        }
    };
    for (point, shown) in own.iter().map(|point| (point, None)).chain(shown.iter().map(|point| (point, Some(point)))) {
        let urls: Vec<_> = point.0.iter().filter_map(|text| Url::parse(text).ok()).map(Arc::new).collect();
        // What a peer has shown, the certificate of a CA may have too.
        let Some(first) = urls.first().filter(|_| all.len() < 2 * MOST) else { continue };
        if shown.is_some_and(|shown| own.contains(shown)) {
            continue;
        }
        let target = entry(&mut all, first, &urls);
        target.ca.extend(by_points.iter().cloned());
        if !target.named {
            target.shown = shown.cloned();
        }
    }
    (all.into_values().collect(), troubles)
}

fn entry<'a>(all: &'a mut BTreeMap<Arc<Url>, Target>, first: &Arc<Url>, urls: &[Arc<Url>]) -> &'a mut Target {
    all.entry(Arc::clone(first)).or_insert_with(|| Target {
        urls: urls.to_vec(),
        ca: BTreeSet::new(),
        shown: None,
        named: false,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, CrlDistributionPoint, DnType, IsCa, KeyPair};

    use super::*;
    use crate::lists::settings::Wanted;

    fn authority(folder: &std::path::Path, name: &str, points: &[&str]) -> PathBuf {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let uris = points.iter().map(ToString::to_string).collect();
        params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        let path = folder.join(name);
        std::fs::write(&path, params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()).unwrap();
        path
    }

    fn url(text: &str) -> Arc<Url> {
        Arc::new(Url::parse(text).unwrap())
    }

    #[test]
    fn each_list_is_one_target_with_all_cas_that_may_have_signed_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = authority(folder.path(), "one", &["http://a.test/one", "http://b.test/one"]);
        let other = authority(folder.path(), "other", &["http://a.test/other"]);
        let named = url("http://a.test/one");
        let wanted = |from: From, ca: &PathBuf| Wanted { from, ca: vec![ca.clone()] };
        let mut settings = Settings {
            state: None,
            proxy: None,
            ca: None,
            refresh: Duration::ZERO,
            timeout: Duration::ZERO,
            wanted: vec![wanted(From::Url(Arc::clone(&named)), &other), wanted(From::Points, &one)],
        };
        let shown = BTreeSet::from([
            Point(vec!["http://c.test/shown".into()]),
            Point(vec!["http://".into()]),
            Point(vec!["http://a.test/one".into(), "http://b.test/one".into()]),
        ]);
        let (targets, troubles) = of(&settings, &shown);
        assert_eq!(troubles, [] as [String; 0]);
        let urls: Vec<String> = targets.iter().map(|target| target.url().unwrap().to_string()).collect();
        assert_eq!(urls, ["http://a.test/one", "http://c.test/shown"]);
        assert_eq!(targets[0].ca, BTreeSet::from([one.clone(), other.clone()]));
        assert!(targets[0].named && targets[0].shown.is_none());
        assert_eq!(targets[1].shown, Some(Point(vec!["http://c.test/shown".into()])));
        // Without distribution points, what peers have shown does not count.
        settings.wanted.truncate(1);
        assert_eq!(of(&settings, &shown).0.len(), 1);
        // A file that cannot be read leaves the others.
        settings.wanted.push(wanted(From::Points, &folder.path().join("missing")));
        let (targets, troubles) = of(&settings, &shown);
        assert!(targets.len() == 2 && troubles[0].contains("missing"), "{targets:?} {troubles:?}");
    }
}
