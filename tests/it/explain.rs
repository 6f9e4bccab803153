//! `tlsgate explain` and `GET /api/v1/explain`: what they report is what clients really get.
//! Must not know: how the choice is made.

mod agreement;
mod java;
mod questions;
mod scene;
