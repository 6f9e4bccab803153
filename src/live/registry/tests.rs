use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SerialNumber,
};

use super::*;
use crate::allocator::tests::kept;
use crate::live::filter::tests::row;
use crate::observe::access::record::Record;
use crate::tls::trust::clients::ClientAuth;
use crate::tls::trust::clients::settings::{Demand, Settings};
use crate::tls::trust::lists::rules::Rules;

fn filter(conditions: &[(&str, &str)]) -> Filter {
    let mut filter = Filter::default();
    conditions.iter().for_each(|(key, value)| filter.add(key, value).unwrap().unwrap());
    filter
}

/// Connections with the numbers from 1, on two workers, every third one on the second.
fn filled(count: u64) -> (Registry, Vec<Listed>) {
    let registry = Registry::new(7, 2);
    let list = |number: u64| {
        let connection_id = ConnectionId { run: 7, number };
        let listener = if number.is_multiple_of(2) { "even".into() } else { "odd".into() };
        let row = row(|record| *record = Record { connection_id, listener, ..record.clone() });
        registry.list(usize::from(number.is_multiple_of(3)), Arc::new(row))
    };
    let listed = (1..=count).map(list).collect();
    (registry, listed)
}

/// A CA, and its certificate.
fn ca() -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    (Issuer::new(params, key), certificate)
}

fn auth() -> Arc<ClientAuth> {
    let (_, ca) = ca();
    let settings = Settings { demand: Demand::Optional, lists: Rules::default(), names: Vec::new(), pins: Vec::new() };
    Arc::new(ClientAuth::new(settings, vec![ca], Vec::new()).unwrap())
}

/// A connection with that number, which that worker serves, and whose client can be judged again.
fn joined(registry: &Registry, auth: &Arc<ClientAuth>, (worker, number): (usize, u64)) -> Listed {
    let row = Arc::new(row(|record| record.connection_id.number = number));
    let listed = registry.list(worker, Arc::clone(&row));
    let judged = Judged { auth: Arc::clone(auth), good_until: i64::MAX, generation: 0 };
    listed.presented(row, vec![vec![7; 500].into()], judged);
    listed
}

fn numbers(page: &Page) -> Vec<u64> {
    page.rows.iter().map(|row| row.facts().record.connection_id.number).collect()
}

/// All pages of that size.
fn pages(registry: &Registry, filter: &Filter, most: usize, mut between: impl FnMut()) -> Vec<Vec<u64>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = registry.page(filter, after, most).unwrap();
        after = page.rows.last().map(|row| row.facts().record.connection_id);
        all.push(numbers(&page));
        if !page.more {
            return all;
        }
        between();
    }
}

#[test]
fn pages_are_in_order_whichever_worker_serves_a_connection() {
    let (registry, _listed) = filled(10);
    assert_eq!(pages(&registry, &Filter::default(), 4, || ()), [vec![1, 2, 3, 4], vec![5, 6, 7, 8], vec![9, 10]]);
    assert_eq!(pages(&registry, &filter(&[("listener", "even")]), 2, || ()), [vec![2, 4], vec![6, 8], vec![10]]);
    assert_eq!(pages(&registry, &Filter::default(), 10, || ()), [(1..=10).collect::<Vec<_>>()]);
    assert_eq!(pages(&registry, &filter(&[("listener", "none")]), 5, || ()), [vec![0; 0]]);
}

#[test]
fn who_is_open_all_the_time_is_on_exactly_one_page() {
    // More than are read under one lock.
    let (registry, mut listed) = filled(2000);
    let mut late = Vec::new();
    let seen = pages(&registry, &Filter::default(), 300, || {
        drop(listed.remove(0));
        let connection_id = ConnectionId { run: 7, number: 3000 + late.len() as u64 };
        let row = row(|record| record.connection_id = connection_id);
        late.push(registry.list(0, Arc::new(row)));
    });
    let seen: Vec<u64> = seen.into_iter().flatten().collect();
    let distinct: BTreeSet<u64> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len());
    let first = late.len() as u64 + 1;
    assert!((first..=2000).all(|number| distinct.contains(&number)));
}

#[test]
fn an_id_of_another_process_is_refused() {
    let (registry, _listed) = filled(3);
    let after = |run| registry.page(&Filter::default(), Some(ConnectionId { run, number: 2 }), 9);
    assert_eq!(numbers(&after(7).unwrap()), [3]);
    assert_eq!(after(8).unwrap_err(), OtherRun);
}

#[test]
fn only_those_that_are_meant_are_asked_to_end() {
    let (registry, listed) = filled(1000);
    let odd = filter(&[("listener", "odd")]);
    assert_eq!(registry.close(&odd, Mode::Now), 500);
    let page = registry.page(&Filter::default(), None, 1000).unwrap();
    for row in page.rows {
        let asked = Some(Mode::Now).filter(|_| &*row.facts().record.listener == "odd");
        assert_eq!(row.call.asked(), asked);
    }
    drop(listed);
    assert_eq!(registry.close(&odd, Mode::Now), 0, "who has ended is listed no more");
}

#[test]
fn a_worker_waits_for_no_lock_of_another_one() {
    let (registry, auth) = (Arc::new(Registry::new(7, 2)), auth());
    let _first = joined(&registry, &auth, (0, 1));
    let part = Arc::clone(&registry.parts[0]);
    let held = (lock(&part.rows), lock(&part.presented), part.chains.held());
    let (done, is_done) = channel();
    let of_thread = Arc::clone(&registry);
    // The same chain, on the other worker.
    let worker = thread::spawn(move || {
        drop(joined(&of_thread, &auth, (1, 2)));
        done.send(()).unwrap();
    });
    let ended = is_done.recv_timeout(Duration::from_secs(60));
    drop(held);
    worker.join().unwrap();
    assert_eq!(ended, Ok(()), "it waits");
    assert_eq!(registry.presented().count(), 1);
}

/// For each of a thousand connections, in bytes: how long the client's certificate is, and what is kept so that the client can be
/// judged again.
fn kept_for_each(chain: impl Fn(u64) -> Vec<CertificateDer<'static>>) -> (i64, i64) {
    const COUNT: u64 = 1000;
    let (registry, auth) = (Registry::new(7, 2), auth());
    let mut own = 0;
    let open: Vec<_> = (1..=COUNT)
        .map(|number| {
            let row = Arc::new(row(|record| record.connection_id.number = number));
            let chain = chain(number);
            own += chain[0].len() as i64;
            (registry.list(number as usize, Arc::clone(&row)), row, chain)
        })
        .collect();
    let kept = kept(|| {
        for (listed, row, chain) in &open {
            let judged = Judged { auth: Arc::clone(&auth), good_until: i64::MAX, generation: 0 };
            listed.presented(Arc::clone(row), chain.clone(), judged);
        }
    });
    (own / COUNT as i64, kept / COUNT as i64)
}

#[test]
fn what_is_kept_to_judge_a_client_again_is_its_certificate_and_little_more() {
    let ((issuer, above), key) = (ca(), KeyPair::generate().unwrap());
    let certificate = |number: u64| {
        let mut params = CertificateParams::new(vec![format!("client-{number}.example.com")]).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("client-{number}"));
        params.serial_number = Some(SerialNumber::from(1 << 60 | number));
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&key, &issuer).unwrap().der().clone()
    };
    let (own, alone) = kept_for_each(|number| vec![certificate(number)]);
    let (_, below) = kept_for_each(|number| vec![certificate(number), above.clone(), above.clone()]);
    let one = certificate(1);
    let (_, same) = kept_for_each(|_| vec![one.clone(), above.clone()]);
    // docs/performance.md has the figures: 396, 654, 655 and 101.
    let is_right = (200..=307).contains(&(alone - own)) && below <= alone + 16 && (64..=128).contains(&same);
    assert!(is_right, "own {own}, kept {alone}, with a chain {below}, for the same client {same}");
}
