//! `sslcache agent` as a process: the keys that servers get from it, with a real redis-server.

mod check;
mod distrust;
mod goes_back;
mod hardened;
mod hostile;
mod keys;
mod killed;
mod restart;
mod server;
mod sessions;
mod told;

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
    (
        "agent: a session that is put at one host is found at the other",
        sessions::found,
    ),
    (
        "agent: what is removed at one host is news at the other",
        sessions::removed,
    ),
    (
        "agent: a flushed realm, and a flushed namespace, are found nowhere",
        sessions::flushed,
    ),
    (
        "agent: killed at any moment under load, it leaves nothing behind",
        killed::under_load,
    ),
    (
        "agent: another user than the servers' serves sessions",
        hardened::other_user,
    ),
    (
        "agent: sessions are found in the middle of a rotation of the keyring",
        keys::rotation_with_sessions,
    ),
    (
        "agent: after a restart it tells what was missed, and no more",
        told::restarted,
    ),
    (
        "agent: a session is taken once in the fleet, from Redis",
        sessions::taken_from_redis,
    ),
    (
        "agent: a session is taken once in the fleet, from memcached",
        sessions::taken_from_memcached,
    ),
    ("agent: a store that is late is left alone", sessions::late),
    (
        "agent: a process that writes anything, and asks for all it can, keeps others not waiting",
        distrust::hostile,
    ),
    (
        "agent: the store has neither an id nor a record in clear",
        distrust::dump,
    ),
    (
        "agent: what was removed stays so when the store goes back to what it was",
        goes_back::as_it_was,
    ),
    (
        "agent: and when another host has told the store as much as it has forgotten",
        goes_back::told_as_much,
    ),
    (
        "agent: and when the settings were read again before that",
        goes_back::told_as_much_after_a_reload,
    ),
    (
        "agent: and when a host had missed so much that all was in doubt",
        goes_back::after_a_jump,
    ),
    (
        "agent: what was flushed stays so when a key is added while the store goes back",
        goes_back::flushed_and_a_key_added,
    ),
    (
        "agent: a store that ends its connections gets few of them",
        goes_back::connections_that_end,
    ),
    (
        "agent: connections that break, and news that has ended, lose no session",
        goes_back::not_at_all,
    ),
    ("agent: --check says what is wrong", check::messages),
    (
        "agent: master keys are made and rotated",
        check::master_keys,
    ),
];
