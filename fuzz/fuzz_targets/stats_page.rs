//! The statistics page as the tool reads it: any words may stand there.
//!
//! An input is a list of changes to a page that has a process in a slot.

#![cfg_attr(feature = "libfuzzer", no_main)]

use sslcache::page::FIGURES;
use sslcache::page::census::Census;
use sslcache::page::reading::Reading;
use sslcache_fuzz::Input;

const MAGIC: u64 = u64::from_be_bytes(*b"sslcpage");
const VERSION: u64 = 4;
const HEADER: usize = 512;
const SLOT: usize = 256;
const WORDS: usize = HEADER + 128 * SLOT;

sslcache_fuzz::target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let mut words = vec![0; WORDS];
    (words[0], words[1]) = (MAGIC, VERSION);
    let text = input.u8();
    for (word, bytes) in words[96..HEADER]
        .iter_mut()
        .zip(input.bytes(text.into()).chunks(8))
    {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(whole);
    }
    // Few slots: each that is taken is a look into /proc.
    for _ in 0..64 {
        if input.is_over() {
            break;
        }
        let at = match input.flip() {
            true => usize::from(input.u8()),
            false => HEADER + usize::from(input.u8() % 3) * SLOT + usize::from(input.u8()),
        };
        words[at] = input.change()(words[at]);
    }
    if input.flip() {
        words.truncate(usize::from(input.u16()));
    }
    let Some(page) = Reading::of_words(words) else {
        return;
    };
    let lines = [page.version(), page.form()]
        .into_iter()
        .chain(page.settings());
    for line in lines {
        assert!(
            !line.chars().any(char::is_control),
            "{line:?} goes to a terminal"
        );
    }
    page.setting("group");
    page.in_use();
    page.total().hits();
    (
        page.departed(),
        page.region(),
        page.ticket_keys(),
        page.awaited_of_keys(),
    );
    assert!(page.is_as_in(&page));
    for process in page.processes(&Census::of_process(std::process::id())) {
        assert!(process.contexts.len() <= 128);
        let sums = &process.sums;
        (
            sums.hits(),
            sums.misses(),
            sums.accepted(),
            sums.accepted_resumed(),
        );
        for context in &process.contexts {
            context.handshakes();
        }
    }
    assert!(!FIGURES.is_empty());
});
