//! Certificates that tlsgate orders itself, from a real authority (pebble): first ones, renewals, faults of every kind.

mod harness;
