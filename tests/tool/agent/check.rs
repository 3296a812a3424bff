//! `sslcache agent --check`, and the commands for master keys.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use super::server::{Host, Redis, Server, make_keyring};
use crate::tool::{Folder, Outcome, Tool, has_in_order, is_root, said};

pub fn messages(tool: &Tool) -> Outcome {
    // Without namespaces, root's is looked at.
    if !Redis::is_here() || !is_root() {
        return Ok(());
    }
    let folder = Folder::new()?;
    let host = Host::new(&folder, "a", "", "")?;
    let mut command = host.command(tool);
    command.arg("--check");
    let mut says = |code: i32, parts: &[&str]| -> Outcome {
        let said = said(&mut command)?;
        assert_eq!(said.code, code, "{}{}", said.out, said.err);
        has_in_order(&(said.out + &said.err), parts)
    };
    says(
        2,
        &["settings ", "sslcache agent: ", "keyring: No such file"],
    )?;
    make_keyring(tool, &folder)?;
    fs::set_permissions(&host.ring, fs::Permissions::from_mode(0o644))?;
    says(2, &["keyring: others may read", "chmod 600"])?;
    fs::set_permissions(&host.ring, fs::Permissions::from_mode(0o600))?;
    says(2, &["redis.sock: No such file", "see to the store"])?;
    let redis = Redis::start(&folder)?;
    says(
        0,
        &[
            "settings ",
            "keyring ",
            " seals",
            "store ",
            "answers",
            "namespace uid 0: no key of the present hour yet",
            "each user has a namespace",
        ],
    )?;
    let agent = host.start(tool)?;
    let server = Server::join(&host.socket)?;
    server.wait()?;
    drop(agent);
    says(
        0,
        &["namespace uid 0: the key of the present hour is there, and opens"],
    )?;
    // Another keyring than the one with which that was sealed: it has other names, and sees nothing.
    let ring = fs::read(&host.ring)?;
    make_keyring(tool, &folder)?;
    says(0, &["no key of the present hour yet"])?;
    fs::write(&host.ring, ring)?;
    host.write("", "lifetime = 1\n")?;
    says(
        2,
        &[
            "a.toml: line ",
            "there is no setting lifetime",
            "did you mean lifetime_hours?",
        ],
    )?;
    host.write("", "[[namespace]]\nname = \"web\"\nusers = [33]\n")?;
    says(0, &["namespace web: no key of the present hour yet"])?;
    // What may be read may not be written.
    let mut listening = UnixStream::connect(folder.file("redis.sock"))?;
    listening.write_all(b"ACL SETUSER default -set\r\n")?;
    listening.read_exact(&mut [0; "+OK\r\n".len()])?;
    says(
        2,
        &[
            "answers",
            "NOPERM",
            "ACL SETUSER default ~sslc:* +get +set +incr",
        ],
    )?;
    // What answers is no store.
    drop(redis);
    let socket = folder.file("redis.sock");
    fs::remove_file(&socket).ok();
    let _odd = UnixListener::bind(&socket)?;
    says(2, &["redis.sock", "no answer within"])?;
    let missing = tool.say(&folder.0, &["agent", "--check", "--config", "/nowhere"])?;
    assert_eq!(missing.code, 2);
    has_in_order(&missing.err, &["/nowhere: No such file", "--config"])
}

pub fn master_keys(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    make_keyring(tool, &folder)?;
    let ring = folder.file("keyring");
    let path = ring.to_str().ok_or("no text")?;
    let first = fs::read_to_string(&ring)?;
    assert!(first.starts_with("sslc-key-1:") && first.len() == 11 + 43 + 1);
    let turn = |more: &[&str]| {
        tool.say(
            &folder.0,
            &[&["agent", "key", "rotate", path], more].concat(),
        )
    };
    let appended = turn(&["--append"])?;
    has_in_order(
        &appended.out,
        &["keyring is changed: copy it to all hosts", "--promote"],
    )?;
    let text = fs::read_to_string(&ring)?;
    assert!(text.starts_with(&first) && text.lines().count() == 2);
    let promoted = turn(&["--promote"])?;
    has_in_order(&promoted.out, &["after a day the old key can go"])?;
    let text = fs::read_to_string(&ring)?;
    assert!(text.ends_with(&first) && text.lines().count() == 2);
    let rotated = turn(&[])?;
    has_in_order(&rotated.out, &["copy it to all hosts at once"])?;
    let now = fs::read_to_string(&ring)?;
    assert!(now.ends_with(&text) && now.lines().count() == 3);
    assert_eq!(fs::metadata(&ring)?.permissions().mode() & 0o777, 0o600);
    let both = turn(&["--append", "--promote"])?;
    assert_eq!(both.code, 2);
    let missing = tool.say(&folder.0, &["agent", "key", "rotate", "/nowhere/ring"])?;
    assert_eq!(missing.code, 2);
    has_in_order(&missing.err, &["/nowhere/ring: No such file"])
}
