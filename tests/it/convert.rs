//! Configurations of HAProxy, nginx, stunnel and hitch: each runs with its own program, and converted with tlsgate, and
//! clients get the same certificate, version and cipher from both, or the list says why not.

mod asked;
mod init;
mod listed;
mod observed;
mod peers;
mod same;
mod scene;
mod servers;
mod sources;
