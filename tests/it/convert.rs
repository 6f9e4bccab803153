//! Configurations of HAProxy, nginx, stunnel and hitch: each runs with its own program, and converted with tlsgate. Clients get
//! the same certificate, version and cipher from both, are accepted and refused alike, and reach the same servers, or the
//! list says why not.

mod asked;
mod init;
mod listed;
mod observed;
mod peers;
mod same;
mod scene;
mod servers;
mod sources;
