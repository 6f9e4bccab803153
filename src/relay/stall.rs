//! A relay whose bytes wait for a peer: where memory is short, it gives back what it does not need, or ends. Must not know:
//! what waits, whom it is for.

use std::task::Context;

use crate::net::stream::{Stream, Unsent};
use crate::pressure::Pressure;
use crate::pressure::level::Level;
use crate::pressure::stalled::{Asked, LEAST, Seated, Waiting};
use crate::relay::patience::Clock;

/// Whether bytes of one relay wait.
#[derive(Debug)]
pub(super) struct Stall<'a> {
    pressure: &'a Pressure,
    /// Taken when bytes wait for the first time. Boxed, since most relays never need one.
    seat: Option<Box<Seat>>,
}

#[derive(Debug)]
struct Seat {
    seated: Seated,
    /// How much the kernel keeps for the peers.
    unsent: Unsent,
}

impl<'a> Stall<'a> {
    pub(super) fn new(pressure: &'a Pressure) -> Self {
        Self { pressure, seat: None }
    }

    /// The relay of `peers` begins. Where there is not much memory at all, the kernel must not take most of it for a few
    /// that do not read.
    pub(super) fn begin(&self, peers: [&Stream; 2]) {
        if self.pressure.is_small() {
            peers.iter().for_each(|peer| peer.limit_unsent(Unsent::Some));
        }
    }

    /// The relay waits for its sockets, and `waiting` is in it. Returns what the relay has to do.
    pub(super) fn note(
        &mut self,
        waiting: Option<Waiting>,
        clock: &Clock,
        peers: [&Stream; 2],
        cx: &Context<'_>,
    ) -> Asked {
        let in_relay = waiting.is_some();
        // An answer that fits into the kernel's buffers waits there alone.
        let in_kernel =
            || clock.unsent_since().map(|since| Waiting { since: since.into_std(), held: KERNEL, spare: 0 });
        let Some(waiting) = waiting.or_else(in_kernel) else {
            if let Some(seat) = &self.seat {
                seat.seated.rests();
            }
            return Asked::Nothing;
        };
        let pressure = self.pressure;
        let at_first = if pressure.is_small() { Unsent::Some } else { Unsent::Usual };
        let seat =
            self.seat.get_or_insert_with(|| Box::new(Seat { seated: pressure.stalled.join(), unsent: at_first }));
        // What waits in the kernel is memory too, and there is no use in more of it while the peer does not read.
        let unsent = if pressure.level() >= Level::Tight { Unsent::Little } else { at_first };
        if unsent != seat.unsent {
            seat.unsent = unsent;
            peers.iter().for_each(|peer| peer.limit_unsent(unsent));
        }
        match seat.seated.waits(waiting, cx.waker()) {
            // The peer has read since it was chosen.
            Asked::Leave if waiting.since.elapsed() < LEAST => Asked::Nothing,
            Asked::Leave if !in_relay && !peers.iter().any(|peer| peer.has_unsent()) => Asked::Nothing,
            asked => asked,
        }
    }
}

/// What the kernel holds for a peer, at least, if bytes wait there that were not sent.
const KERNEL: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::{Duration, Instant};

    use socket2::SockRef;

    use super::*;
    use crate::pressure::bound::{Bound, Source};
    use crate::relay::patience::Patience;

    const LARGE: usize = 64 << 30;

    struct Scene {
        pressure: Pressure,
        clock: Clock,
        peers: [Stream; 2],
        _others: [std::net::TcpStream; 2],
    }

    async fn scene(bytes: usize) -> Scene {
        let pressure = Pressure::default();
        pressure.set_bound(Some(Bound { bytes, source: Source::Configured }));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().into();
        let [client, backend] = [Stream::connect(&address).await.unwrap(), Stream::connect(&address).await.unwrap()];
        let others = [listener.accept().unwrap().0, listener.accept().unwrap().0];
        let limit = Duration::from_secs(3600);
        let clock = Clock::new(Patience::new(limit, limit));
        Scene { pressure, clock, peers: [client, backend], _others: others }
    }

    impl Scene {
        fn lowat(&self) -> u32 {
            SockRef::from(&self.peers[0]).tcp_notsent_lowat().unwrap()
        }

        fn note(&self, stall: &mut Stall<'_>, seconds: u64) -> Asked {
            let since = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
            let [client, backend] = &self.peers;
            let waiting = Waiting { since, held: 300 * 1024, spare: 0 };
            stall.note(Some(waiting), &self.clock, [client, backend], &Context::from_waker(Waker::noop()))
        }
    }

    #[tokio::test]
    async fn the_kernel_keeps_less_while_memory_is_tight_and_as_much_as_usual_afterwards() {
        let scene = scene(LARGE).await;
        let mut stall = Stall::new(&scene.pressure);
        let [client, backend] = &scene.peers;
        stall.begin([client, backend]);
        let usual = scene.lowat();
        for (used, expected) in [(0, usual), (LARGE * 3 / 4, 16 * 1024), (0, usual)] {
            scene.pressure.measured(used);
            scene.note(&mut stall, 0);
            assert_eq!(scene.lowat(), expected, "{used}");
        }
    }

    #[tokio::test]
    async fn where_there_is_little_memory_at_all_the_kernel_keeps_less_from_the_beginning() {
        let scene = scene(64 << 20).await;
        let stall = Stall::new(&scene.pressure);
        let [client, backend] = &scene.peers;
        stall.begin([client, backend]);
        assert_eq!(scene.lowat(), 128 * 1024);
        assert!(!client.has_unsent());
        assert_eq!(scene.lowat(), 128 * 1024, "a look at the socket changes nothing");
    }

    #[tokio::test]
    async fn who_has_to_leave_has_read_nothing_until_then() {
        let scene = scene(LARGE).await;
        let mut stall = Stall::new(&scene.pressure);
        // Nothing has waited that long yet: the time is in the future.
        let later = Instant::now() + Duration::from_secs(60);
        let dismiss = || scene.pressure.stalled.dismiss(later, usize::MAX, 9);
        assert_eq!((scene.note(&mut stall, 9), dismiss()), (Asked::Nothing, 1));
        assert_eq!(scene.note(&mut stall, 0), Asked::Nothing, "the peer has read since it was chosen");
        assert_eq!((scene.note(&mut stall, 9), dismiss()), (Asked::Nothing, 1));
        assert_eq!(scene.note(&mut stall, 9), Asked::Leave);
        drop(stall);
        assert_eq!(dismiss(), 0);
    }
}
