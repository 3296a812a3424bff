//! Named regions: which files are accepted, and which are refused.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

const SIZE: usize = 1 << 20;

/// A folder of the test's own, removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("sslcache-region-{}-{name}", std::process::id()));
        fs::create_dir(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("region")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn refusal(path: &std::path::Path) -> String {
    let why = Region::named(path, SIZE)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        why.starts_with("shared region ") && !why.contains('\n'),
        "{why}"
    );
    why
}

/// Writes into the file of a region.
fn scribble(path: &std::path::Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, at)
        .unwrap();
}

#[test]
fn unrelated_processes_share_and_a_restart_keeps_the_records() {
    let folder = Folder::new("restart");
    let id = PartitionId::named(1234);
    let child = Child::of(|| {
        let region = Region::named(&folder.file(), SIZE).unwrap();
        i32::from(put(
            &region.partition(id, 50).unwrap(),
            1,
            &record(1, 1, 100),
        ))
    });
    assert_eq!(child.wait(), 1);
    assert_eq!(
        fs::metadata(folder.file()).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let region = Region::named(&folder.file(), SIZE).unwrap();
    let partition = region.partition(id, 70).unwrap();
    assert_eq!(
        (get(&partition, 1), partition.capacity()),
        (Some(record(1, 1, 100)), 50)
    );
    // Of another size it is the file that counts.
    let again = Region::named(&folder.file(), 4 * SIZE).unwrap();
    assert_eq!(
        get(&again.partition(id, 0).unwrap(), 1),
        Some(record(1, 1, 100))
    );
    assert!(again.fresh_id() != region.fresh_id());
    again.validate().expect("whole");
}

#[test]
fn lock_kept_over_a_restart_by_one_who_died_is_recovered() {
    let folder = Folder::new("died");
    let id = PartitionId::named(5);
    let child = Child::of(|| {
        let region = Region::named(&folder.file(), 64 << 10).unwrap();
        put(&region.partition(id, 0).unwrap(), 1, &record(1, 1, 100));
        // SAFETY: ends this process while it holds the lock.
        region.in_shard(0, |_| Ok(unsafe { libc::raise(libc::SIGKILL) }));
        0
    });
    child.reap();
    std::mem::forget(child);
    let region = Region::named(&folder.file(), SIZE).unwrap();
    let partition = region.partition(id, 0).unwrap();
    assert!(put(&partition, 2, b"record"));
    assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
    assert_eq!(region.stats().recovered, 1);
}

#[test]
fn files_that_are_not_ours_alone_are_refused() {
    let folder = Folder::new("refused");
    let path = folder.file();
    drop(Region::named(&path, SIZE).unwrap());
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(refusal(&path).contains("mode"), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = folder.0.join("link");
    symlink(&path, &link).unwrap();
    assert!(refusal(&link).contains("symbolic link"));
    let second = folder.0.join("second");
    fs::hard_link(&path, &second).unwrap();
    assert!(refusal(&path).contains("2 names"));
    fs::remove_file(second).unwrap();
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string.
    if unsafe { libc::chown(name.as_ptr(), 12_345, 12_345) } == 0 {
        assert!(refusal(&path).contains("user 12345"));
    }
    let fifo = folder.0.join("fifo");
    let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert!(refusal(&fifo).contains("regular"));
    refusal(&folder.0);
    refusal(&folder.0.join("no/such/folder"));
    assert!(Region::named(&folder.0.join("tiny"), 100).is_err());
}

#[test]
fn files_that_are_no_region_or_a_broken_one_are_refused_and_left_alone() {
    let folder = Folder::new("broken");
    let path = folder.file();
    let text = vec![b'x'; SIZE];
    let mut options = OpenOptions::new();
    std::io::Write::write_all(
        &mut options
            .write(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .unwrap(),
        &text,
    )
    .unwrap();
    assert!(refusal(&path).contains("not a region"));
    assert_eq!(fs::read(&path).unwrap(), text);
    fs::write(&path, b"short").unwrap();
    assert!(refusal(&path).contains("too few"));
    fs::remove_file(&path).unwrap();
    let make = || {
        fs::remove_file(&path).ok();
        drop(Region::named(&path, SIZE).unwrap());
    };
    // 2: records with shorter tags.
    for other in [2_u32, 9] {
        make();
        scribble(&path, 16, &other.to_ne_bytes());
        assert!(refusal(&path).contains(&format!("layout {other}")));
    }
    // One of a machine with the other byte order: each word of its header is turned round.
    make();
    let mut header = fs::read(&path).unwrap();
    header[..64]
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .for_each(|word| word.reverse());
    fs::write(&path, &header).unwrap();
    assert!(refusal(&path).contains("the other byte order"));
    assert_eq!(fs::read(&path).unwrap(), header, "it is left as it is");
    for size in [0_u64, 12_345, u64::MAX, 65_537] {
        make();
        scribble(&path, 24, &size.to_ne_bytes());
        refusal(&path);
    }
    make();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(SIZE as u64 / 2)
        .unwrap();
    assert!(refusal(&path).contains("truncated"));
    // One that was never made to its end is begun anew: of zeros, or with a header alone.
    fs::write(&path, vec![0; SIZE]).unwrap();
    drop(Region::named(&path, SIZE).unwrap());
    scribble(&path, 20, &0_u32.to_ne_bytes());
    let region = Region::named(&path, SIZE).unwrap();
    assert!(put(
        &region.partition(PartitionId::named(1), 0).unwrap(),
        1,
        b"record"
    ));
}

#[test]
fn region_whose_file_is_truncated_while_it_is_used_is_off() {
    let folder = Folder::new("truncated");
    let region = Region::named(&folder.file(), SIZE).unwrap();
    let partition = region.partition(PartitionId::named(1), 9).unwrap();
    assert!(put(&partition, 1, b"record"));
    OpenOptions::new()
        .write(true)
        .open(folder.file())
        .unwrap()
        .set_len(4096)
        .unwrap();
    let before = region.stats().off;
    assert!(
        !put(&partition, 2, b"record")
            && get(&partition, 1).is_none()
            && partition.consume(&key(1), None, 0, None).is_none()
    );
    assert!(
        partition.holds(&key(1), 1, 0).is_none()
            && partition.remove(&key(1)).is_none()
            && partition.is_empty()
            && partition.flush(None) == 0
    );
    assert!(
        region.partition(PartitionId::named(2), 0).is_none()
            && region.with_key_page(|_| ()).is_none()
    );
    assert!(region.validate().is_err() && region.stats().off > before);
    partition.set_capacity(3);
    region.count_undecodable();
    region.fresh_id();
}

#[test]
fn region_that_is_made_anew_in_its_file_is_noticed_by_who_had_the_old_one() {
    let folder = Folder::new("anew");
    let old = Region::named(&folder.file(), SIZE).unwrap();
    let id = PartitionId::named(1);
    let before = old.partition(id, 9).unwrap();
    assert!(put(&before, 1, b"record"));
    assert!(old.with_key_page(|page| page.fill(1)).is_some());
    let file = OpenOptions::new().write(true).open(folder.file()).unwrap();
    file.set_len(0).unwrap();
    let new = Region::named(&folder.file(), SIZE).unwrap();
    let partition = new.partition(id, 9).unwrap();
    assert!(put(&partition, 2, b"record"));
    assert!(new.with_key_page(|page| page.fill(2)).is_some());
    assert!(!put(&before, 3, b"record") && get(&before, 1).is_none() && !before.is_placed());
    assert!(old.with_key_page(|page| page.fill(3)).is_none() && old.stats().off > 0);
    assert!(get(&partition, 2).is_some() && partition.len() == 1);
    assert_eq!(new.with_key_page(|page| page[0]), Some(2));
    new.validate().expect("whole");
}

/// The kernel would end it, and not only refuse.
#[test]
fn process_that_may_not_write_so_much_does_without() {
    let folder = Folder::new("limit");
    let child = Child::of(|| {
        let limit = libc::rlimit {
            rlim_cur: 4096,
            rlim_max: 4096,
        };
        // SAFETY: this child's own limit.
        let limited = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) } == 0;
        let why = refusal(&folder.file());
        i32::from(!(limited && why.contains("may not write")))
    });
    assert_eq!(child.wait(), 0);
    // One that is there already is not made longer.
    drop(Region::named(&folder.file(), SIZE).unwrap());
}

/// A server that closes all descriptors, and opens its own ones in their place, loses the check and nothing else.
#[test]
fn region_goes_on_without_its_descriptor() {
    let folder = Folder::new("closed");
    let child = Child::of(|| {
        let region = Region::named(&folder.file(), SIZE).unwrap();
        let partition = region.partition(PartitionId::named(1), 9).unwrap();
        for file in 3..200 {
            // SAFETY: this process has nothing else open that it needs.
            unsafe { libc::close(file) };
        }
        assert!(put(&partition, 1, &record(1, 1, 90)));
        let zero = fs::File::open("/dev/zero").unwrap();
        for file in 3..200 {
            // SAFETY: the child needs none of the descriptors that this replaces.
            unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&zero), file) };
        }
        assert_eq!(get(&partition, 1), Some(record(1, 1, 90)));
        drop(region);
        // SAFETY: only asks.
        i32::from((4..200).all(|file| unsafe { libc::fcntl(file, libc::F_GETFD) } >= 0))
    });
    assert_eq!(child.wait(), 1);
}

#[test]
fn processes_that_make_one_file_at_once_share_it() {
    let folder = Folder::new("at-once");
    let children: Vec<_> = (0..8_u64)
        .map(|number| {
            Child::of(move || {
                let folder = std::env::temp_dir().join(format!(
                    "sslcache-region-{}-at-once",
                    // SAFETY: getppid has no preconditions.
                    unsafe { libc::getppid() }
                ));
                let region = Region::named(&folder.join("region"), SIZE).unwrap();
                let partition = region.partition(PartitionId::named(3), 0).unwrap();
                i32::from(put(&partition, number, &record(number, 0, 50)))
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.wait(), 1);
    }
    let region = Region::named(&folder.file(), SIZE).unwrap();
    assert_eq!(region.partition(PartitionId::named(3), 0).unwrap().len(), 8);
}
