//! `sslcache agent`: the ticket keys of a fleet, through a store that all of its hosts reach.

mod config;
mod keyring;
mod schedule;
mod seal;
mod secret;
mod store;
