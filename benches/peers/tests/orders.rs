//! The orders to the backend are read as they were written.

use crate::load::backend::Order;

#[test]
fn orders_are_read_as_they_were_written() {
    for order in [
        Order::Sink { amount: u64::MAX },
        Order::Source { amount: 7, piece: 3 },
        Order::Answer { request: u32::MAX, answer: 9 },
        Order::Aside { request: 64, answer: 64 },
    ] {
        assert_eq!(Order::read(&order.bytes().try_into().unwrap()), Some(order));
    }
    assert_eq!(Order::read(&[0; Order::SIZE]), None);
}
