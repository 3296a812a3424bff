//! `sslcache agent`: the ticket keys of a fleet, through a store that all of its hosts reach.

mod keyring;
mod seal;
mod secret;
mod store;
