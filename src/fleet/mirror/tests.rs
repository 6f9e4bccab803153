//! Mirrors over a store.
