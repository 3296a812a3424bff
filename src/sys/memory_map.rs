//! Memory maps, as /proc/PID/maps tells them, read without allocating.

use core::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};

/// The longest line that is looked at: a path may have 4095 bytes.
const LINE_MOST: usize = 8192;

/// Calls `look` with the lines of a memory map until it returns something.
pub fn each_line<T>(
    path: &CStr,
    mut look: impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let mut file = File::open(path.to_str().unwrap_or_default())?;
    let mut buffer = [0; LINE_MOST];
    let mut filled = 0;
    loop {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(None),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let mut begin = 0;
        while let Some(len) = buffer[begin..filled].iter().position(|&byte| byte == b'\n') {
            if let Some(found) = look(&buffer[begin..begin + len]) {
                return Ok(Some(found));
            }
            begin += len + 1;
        }
        if begin == 0 && filled == buffer.len() {
            begin = filled; // no path is as long as this line
        }
        buffer.copy_within(begin..filled, 0);
        filled -= begin;
    }
}

/// Whether the memory at an address of this process stays its own after a fork: no other process can write there. `None` if that
/// cannot be told.
pub fn is_private(address: usize) -> Option<bool> {
    let look = |line: &[u8]| {
        let line = str::from_utf8(line.get(..RANGE_AND_RIGHTS_MOST.min(line.len()))?).ok()?;
        let mut fields = line.split(' ');
        let (begin, end) = fields.next()?.split_once('-')?;
        let [begin, end] = [begin, end].map(|bound| usize::from_str_radix(bound, 16));
        let is_here = (begin.ok()?..end.ok()?).contains(&address);
        is_here.then_some(fields.next()?.ends_with('p'))
    };
    each_line(c"/proc/self/maps", look).ok().flatten()
}

/// Of a line: two addresses, a dash, a blank and four letters; ASCII, whatever the path behind them is.
const RANGE_AND_RIGHTS_MOST: usize = 2 * 16 + 2 + 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mapping::Mapping;

    #[test]
    #[cfg_attr(miri, ignore = "mappings are memory of the heap")]
    fn memory_that_processes_share_is_told_from_ones_own() {
        let shared = Mapping::shared(8192).expect("memory");
        let at = shared.base().addr().get();
        assert_eq!([at, at + 8191].map(is_private), [Some(false); 2]);
        let (on_the_stack, on_the_heap) = (0_u64, Box::new(0_u64));
        assert_eq!(is_private((&raw const on_the_stack).addr()), Some(true));
        assert_eq!(is_private((&raw const *on_the_heap).addr()), Some(true));
        assert_eq!(is_private(8), None);
    }
}
