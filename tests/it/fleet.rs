//! Many machines that share releases through etcd.

mod verbs;
