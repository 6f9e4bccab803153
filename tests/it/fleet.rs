//! Many machines that share releases through etcd.

pub(crate) mod node;
mod orders;
mod verbs;
