//! The black-box tests: they start the real program, and observe it from outside.
//!
//! One binary, a file for each kind of behaviour. Ports are 0, tests wait for events, and a missing tool is a
//! failure (`tests/run` installs all of them).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod access_log;
mod acme;
mod admin;
mod backend_tls;
mod balance;
mod behind_finished;
mod cert_tools;
mod certificates;
mod challenge_checks;
mod challenges;
mod client_certificates;
mod clients;
mod command_line;
mod connections;
mod convert;
mod demo;
mod directory;
mod discovery;
mod dns_updates;
mod documents;
mod ends;
mod etcd;
mod explain;
mod fairness;
mod fetched_lists;
mod fleet;
mod health;
mod hello;
mod host;
mod ja4;
mod keys;
mod labels;
mod layers;
mod limits;
mod metrics;
mod ml_dsa;
mod monitor;
mod names;
mod odd_files;
mod ordered;
mod packages;
mod page;
mod policies;
mod pressure;
mod private_ca;
mod probe;
mod process;
mod proxy_protocol;
mod refusals;
mod reload;
mod responder;
mod routes;
mod samba;
mod sandbox;
mod second_hello;
mod secrets;
mod selection;
mod session_ids;
mod shipped;
mod smoke;
mod starttls;
mod storm;
mod suites;
mod systemd;
mod tickets;
mod transfer;
mod transparent;
mod unix_sockets;
