//! Roles of certificates that issued each other.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

use super::*;
use crate::tls::certificate::x509;

struct Ca {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn ca(name: &str, key: &KeyPair, above: Option<&Ca>, is_ca: IsCa) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    let certificate = match above {
        Some(above) => params.signed_by(key, &above.issuer),
        None => params.self_signed(key),
    };
    let der = certificate.unwrap().der().clone();
    let key = KeyPair::try_from(key.serialize_der()).unwrap();
    Ca { der, issuer: Issuer::new(params, key) }
}

fn root(name: &str) -> Ca {
    ca(name, &KeyPair::generate().unwrap(), None, IsCa::Ca(BasicConstraints::Unconstrained))
}

fn below(name: &str, above: &Ca) -> Ca {
    ca(name, &KeyPair::generate().unwrap(), Some(above), IsCa::Ca(BasicConstraints::Unconstrained))
}

fn list_of(signer: usize) -> List {
    List { signer, ..List::alone(0) }
}

fn authorities<'a>(cas: &[&'a Ca]) -> Authorities<'a> {
    Authorities::new(cas.iter().map(|ca| x509::parse(&ca.der).ok()).collect())
}

fn never(_: usize) -> bool {
    false
}

#[test]
fn a_ca_whose_issuers_list_is_awaited_is_between_and_one_without_an_issuer_is_not() {
    let top = root("top");
    let middle = below("middle", &top);
    let low = below("low", &middle);
    let all = authorities(&[&low, &top, &middle]);
    use Role::{Anchor, Between};
    assert_eq!(all.roles(&[list_of(2)], |_| true), [Between, Anchor, Between]);
    assert_eq!(all.roles(&[], |at| at == 2), [Anchor, Anchor, Between]);
    assert_eq!(authorities(&[&middle]).roles(&[], |_| true), [Anchor], "there is nobody who could revoke it");
}

#[test]
fn a_ca_is_between_only_where_the_list_above_it_is_there() {
    let top = root("top");
    let middle = below("middle", &top);
    let low = below("low", &middle);
    let client = ca("client", &KeyPair::generate().unwrap(), Some(&low), IsCa::ExplicitNoCa);
    let all = authorities(&[&low, &top, &client, &middle]);
    use Role::{Anchor, Between, Client};
    assert_eq!(all.roles(&[], never), [Anchor, Anchor, Client, Anchor]);
    assert_eq!(all.roles(&[list_of(1)], never), [Anchor, Anchor, Client, Between]);
    assert_eq!(all.roles(&[list_of(1), list_of(3)], never), [Between, Anchor, Client, Between]);
    assert_eq!(all.unlisted(&[list_of(1), list_of(3)]), [] as [usize; 0]);
    // Its clients have no list to be on: the root's own are known to be CAs.
    assert_eq!(authorities(&[&top, &middle]).unlisted(&[list_of(0)]), [1]);
    assert_eq!(authorities(&[&top, &middle]).unlisted(&[list_of(1)]), [] as [usize; 0]);
}

#[test]
fn those_that_issued_each_other_are_all_anchors() {
    let keys = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let constraints = || IsCa::Ca(BasicConstraints::Unconstrained);
    let [one, other] = [("one", &keys[0]), ("other", &keys[1])].map(|(name, key)| ca(name, key, None, constraints()));
    let crossed = [ca("one", &keys[0], Some(&other), constraints()), ca("other", &keys[1], Some(&one), constraints())];
    let both = authorities(&[&crossed[0], &crossed[1]]);
    assert_eq!(both.roles(&[list_of(0), list_of(1)], never), [Role::Anchor; 2]);
    // With one of the roots there is an end.
    let all = authorities(&[&crossed[0], &crossed[1], &one]);
    assert_eq!(all.roles(&[list_of(0), list_of(1)], never), [Role::Between, Role::Between, Role::Anchor]);
}

#[test]
fn names_with_several_keys_make_tracks_where_there_are_lists() {
    let cas = [root("a"), root("a"), root("b"), root("b"), root("b"), root("c")];
    let all = authorities(&cas.iter().collect::<Vec<_>>());
    let roles = all.roles(&[], never);
    assert_eq!(all.tracks(&roles, &[]).unwrap().len(), 1);
    let lists = [list_of(0), list_of(1), list_of(5)];
    let tracks = all.tracks(&roles, &lists).unwrap();
    assert_eq!(tracks.len(), 6);
    for track in &tracks {
        assert_eq!((track.anchors.len(), track.lists.len()), (3, 2), "{track:?}");
        assert!(track.anchors.contains(&5) && track.lists.contains(&2), "{track:?}");
    }
    let many: Vec<Ca> = (0..10).map(|at| root(["a", "b", "c", "d", "e"][at / 2])).collect();
    let all = authorities(&many.iter().collect::<Vec<_>>());
    assert!(all.tracks(&all.roles(&[], never), &lists).is_none(), "32 of them");
}
