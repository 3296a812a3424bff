//! `sslcache agent` as a process: the keys that servers get from it, with a real redis-server.

mod check;
mod hostile;
mod keys;
mod restart;
mod server;

use crate::Case;

pub const CASES: &[Case] = &[
    (
        "agent: two hosts give the same keys to a namespace",
        keys::two_hosts,
    ),
    (
        "agent: each user has a namespace where the settings name none",
        keys::each_user,
    ),
    (
        "agent: keys come when the store does",
        keys::store_that_comes_later,
    ),
    (
        "agent: keys are read and reported, never shown",
        keys::status,
    ),
    (
        "agent: the keyring is rotated without a restart",
        keys::rotation,
    ),
    (
        "agent: hosts in the middle of a rotation have the same keys",
        keys::rotation_in_between,
    ),
    (
        "agent: hostile peers are refused, and others served",
        hostile::peers,
    ),
    (
        "agent: a mailbox whose pages are in use elsewhere keeps nobody waiting",
        hostile::pages_in_use,
    ),
    (
        "agent: many users keep root's servers not out",
        hostile::many_users,
    ),
    (
        "agent: mailboxes that come and go leave no descriptor",
        hostile::come_and_go,
    ),
    ("agent: mailboxes come back after a kill", restart::killed),
    (
        "agent: a socket of systemd is used, and one that was left is replaced",
        restart::sockets,
    ),
    ("agent: --check says what is wrong", check::messages),
    (
        "agent: master keys are made and rotated",
        check::master_keys,
    ),
];
