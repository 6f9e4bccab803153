//! Certificates that tlsgate orders itself, from real authorities (pebble, acme2certifier): first ones, renewals, faults of every kind.

mod certifier;
mod crashes;
mod disk;
mod fallback;
mod faults;
mod first;
mod harness;
mod places;
mod processes;
mod renewal;
mod scene;
mod years;
