//! Many machines that share releases through etcd.

mod node;
mod orders;
mod verbs;
