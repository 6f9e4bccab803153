//! Who gets in, and who does not, where CAs share a name or are revoked themselves.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams, SerialNumber,
};

use rustls::pki_types::CertificateRevocationListDer;

use super::*;
use crate::tls::trust::clients::rejection::Rejection;
use crate::tls::trust::clients::settings::Demand;
use crate::tls::trust::lists::given::Origin;

const CLIENT: u64 = 66;

/// A key, and the name that goes with it.
struct Owner {
    key: KeyPair,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, serial: u64, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.is_ca = is_ca;
    params
}

fn authority(name: &str, serial: u64) -> CertificateParams {
    params(name, serial, IsCa::Ca(BasicConstraints::Unconstrained))
}

impl Owner {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let same = KeyPair::try_from(key.serialize_der()).unwrap();
        Self { issuer: Issuer::new(authority(name, 1), same), key }
    }

    fn root(&self, name: &str, serial: u64) -> CertificateDer<'static> {
        authority(name, serial).self_signed(&self.key).unwrap().der().clone()
    }

    /// A certificate of a CA that has that name and this key.
    fn below(&self, name: &str, serial: u64, above: &Self) -> CertificateDer<'static> {
        authority(name, serial).signed_by(&self.key, &above.issuer).unwrap().der().clone()
    }

    fn client(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params("client", CLIENT, IsCa::ExplicitNoCa).signed_by(&key, &self.issuer).unwrap().der().clone()
    }

    fn list(&self, serials: &[u64]) -> CertificateRevocationListDer<'static> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2100, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().clone()
    }
}

/// What becomes of a client that shows `leaf`, and `others` with it.
fn judged(
    ca: &[&CertificateDer<'static>],
    lists: &[CertificateRevocationListDer<'static>],
    leaf: &CertificateDer<'static>,
    others: &[CertificateDer<'static>],
) -> Result<(), Rejection> {
    let settings = Settings { demand: Demand::Require, lists: Rules::default(), names: Vec::new(), pins: Vec::new() };
    let ca = ca.iter().map(|ca| (*ca).clone()).collect();
    let trusted = Trusted::new(&settings, ca, lists.iter().cloned().map(Given::file).collect()).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    trusted.verify(leaf, others, now).map_err(|error| Rejection::of(&error).unwrap())
}

#[test]
fn no_client_gets_past_a_list_by_way_of_a_ca_of_the_same_name() {
    let (old, new) = (Owner::new("ca"), Owner::new("ca"));
    let (old_root, new_root) = (old.root("ca", 1), new.root("ca", 2));
    let (ca, client) = ([&old_root, &new_root], old.client());
    // The old one, certified by the new one, as when a CA changes its key.
    let crossed = old.below("ca", 3, &new);
    for others in [&[][..], &[crossed][..]] {
        assert_eq!(judged(&ca, &[], &client, others), Ok(()));
        assert_eq!(judged(&ca, &[old.list(&[])], &client, others), Ok(()));
        assert_eq!(judged(&ca, &[old.list(&[CLIENT])], &client, others), Err(Rejection::Revoked));
        assert_eq!(judged(&ca, &[old.list(&[CLIENT]), new.list(&[])], &client, others), Err(Rejection::Revoked));
        // Where others have a list, who has none is refused.
        assert_eq!(judged(&ca, &[new.list(&[])], &client, others), Err(Rejection::RevocationUnknown));
    }
}

/// Where lists may be missing, one of the CAs has none, so that a way by it knows nothing of what the other one has revoked.
#[test]
fn where_lists_may_be_missing_one_that_revokes_counts_all_the_same() {
    let (root, old, new) = (Owner::new("root"), Owner::new("ca"), Owner::new("ca"));
    let (top, before, after) = (root.root("root", 1), old.below("ca", 2, &root), new.below("ca", 3, &root));
    let ca = vec![top, before.clone(), after.clone()];
    let rules = Rules { asked: true, missing: MissingCrl::Ignore, ..Rules::default() };
    let settings = Settings { demand: Demand::Require, lists: rules, names: Vec::new(), pins: Vec::new() };
    let given = [root.list(&[]), old.list(&[CLIENT])].map(Given::file).into();
    let trusted = Trusted::new(&settings, ca, given).unwrap();
    assert!(trusted.ways.len() > 1);
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    for others in [vec![], vec![before.clone()], vec![after.clone()], vec![after.clone(), before]] {
        let judged = |leaf: &CertificateDer<'_>| {
            trusted.verify(leaf, &others, now).map_err(|error| Rejection::of(&error).unwrap())
        };
        assert_eq!(judged(&old.client()), Err(Rejection::Revoked));
        // The other one's clients have the same serial number.
        assert_eq!(judged(&new.client()), Ok(()));
    }
}

#[test]
fn nobody_gets_in_below_a_ca_that_is_revoked() {
    let (top, other) = (Owner::new("top"), Owner::new("other"));
    let client = top.client();
    // By its own list.
    let root = top.root("top", 5);
    assert_eq!(judged(&[&root], &[top.list(&[])], &client, &[]), Ok(()));
    assert_eq!(judged(&[&root], &[top.list(&[5])], &client, &[]), Err(Rejection::UnknownCa));
    // By the list of one with which it certifies each other, where neither is a root.
    let crossed = [top.below("top", 5, &other), other.below("other", 6, &top)];
    let both = [&crossed[0], &crossed[1]];
    assert_eq!(judged(&both, &[top.list(&[]), other.list(&[])], &client, &[]), Ok(()));
    assert_eq!(judged(&both, &[top.list(&[]), other.list(&[5])], &client, &[]), Err(Rejection::UnknownCa));
    // A root of the same name that has the serial number of one that the other has revoked.
    let twin = Owner::new("top");
    let (twin_root, twins) = (twin.root("top", 5), twin.client());
    let lists = [top.list(&[5]), twin.list(&[])];
    assert_eq!(judged(&[&root, &twin_root], &lists, &twins, &[]), Ok(()));
    assert_eq!(judged(&[&root, &twin_root], &lists, &twin_root, &[]), Ok(()));
}

/// The same by these rules, and with lists that came over the network; with the number of those that are left out.
fn by_rules(
    rules: Rules,
    ca: &CertificateDer<'static>,
    lists: &[(CertificateRevocationListDer<'static>, Origin)],
    leaf: &CertificateDer<'static>,
) -> (Result<(), Rejection>, usize) {
    let settings = Settings { demand: Demand::Require, lists: rules, names: Vec::new(), pins: Vec::new() };
    let given = lists.iter().map(|(der, origin)| Given { der: der.clone(), origin: *origin }).collect();
    let trusted = Trusted::new(&settings, vec![ca.clone()], given).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    let verified = trusted.verify(leaf, &[], now).map_err(|error| Rejection::of(&error).unwrap());
    (verified, trusted.left_out().len())
}

#[test]
fn where_lists_are_asked_for_and_none_is_there_the_rules_decide() {
    let owner = Owner::new("ca");
    let (root, client) = (owner.root("ca", 1), owner.client());
    let refuse = Rules { asked: true, ..Rules::default() };
    let ignore = Rules { missing: MissingCrl::Ignore, ..refuse };
    assert_eq!(by_rules(Rules::default(), &root, &[], &client), (Ok(()), 0));
    assert_eq!(by_rules(refuse, &root, &[], &client), (Err(Rejection::RevocationUnknown), 0));
    assert_eq!(by_rules(ignore, &root, &[], &client), (Ok(()), 0));
    let revoking = [(owner.list(&[CLIENT]), Origin::Url)];
    assert_eq!(by_rules(ignore, &root, &revoking, &client), (Err(Rejection::Revoked), 0));
}

#[test]
fn lists_from_the_network_that_cannot_be_used_are_left_out_and_open_no_door() {
    let (owner, other, forger) = (Owner::new("ca"), Owner::new("other"), Owner::new("ca"));
    let (root, client) = (owner.root("ca", 1), owner.client());
    let rules = Rules { asked: true, ..Rules::default() };
    let broken = || CertificateRevocationListDer::from(vec![0x30, 0x00]);
    for list in [other.list(&[]), forger.list(&[]), broken()] {
        let alone = [(list.clone(), Origin::Url)];
        assert_eq!(by_rules(rules, &root, &alone, &client), (Err(Rejection::RevocationUnknown), 1));
        let beside = [(list, Origin::Url), (owner.list(&[CLIENT]), Origin::Url)];
        assert_eq!(by_rules(rules, &root, &beside, &client), (Err(Rejection::Revoked), 1));
    }
    // That of a CA which is trusted elsewhere is nothing to report.
    for (list, reported) in [(other.list(&[]), 0), (forger.list(&[]), 0), (broken(), 1)] {
        let alone = [(list, Origin::Point)];
        assert_eq!(by_rules(rules, &root, &alone, &client), (Err(Rejection::RevocationUnknown), reported));
    }
}

#[test]
fn a_ca_whose_issuers_list_is_awaited_does_not_get_in_itself_either() {
    let (top, middle) = (Owner::new("top"), Owner::new("middle"));
    let ca = vec![top.root("top", 1), middle.below("middle", 7, &top)];
    let verified = |awaited: bool, missing: MissingCrl, lists: Vec<CertificateRevocationListDer<'static>>| {
        let lists = lists.into_iter().map(|der| Given { der, origin: Origin::Url }).collect();
        let rules = Rules { asked: true, missing, awaited, ..Rules::default() };
        let settings = Settings { demand: Demand::Require, lists: rules, names: Vec::new(), pins: Vec::new() };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
        let verified = Trusted::new(&settings, ca.clone(), lists).unwrap().verify(&ca[1], &[], now);
        verified.map_err(|error| Rejection::of(&error).unwrap())
    };
    use MissingCrl::{Ignore, Refuse};
    assert_eq!(verified(true, Refuse, vec![middle.list(&[])]), Err(Rejection::RevocationUnknown));
    assert_eq!(verified(true, Ignore, vec![middle.list(&[])]), Ok(()));
    assert_eq!(verified(false, Refuse, vec![middle.list(&[]), top.list(&[])]), Ok(()));
    assert_eq!(verified(false, Refuse, vec![middle.list(&[]), top.list(&[7])]), Err(Rejection::Revoked));
}
