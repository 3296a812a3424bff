//! Whether a region agrees with itself, for tests and fuzzers.

use core::sync::atomic::Ordering::Relaxed;

use crate::shm::operations::whole::Region;
use crate::shm::region::layout::header;

impl Region {
    /// Walks every structure with all locks held; the error says what does not agree.
    pub fn validate(&self) -> Result<(), String> {
        if !self.is_on() {
            return Err("the region's file has changed".to_owned());
        }
        self.in_all(|| self.validate_held())
            .unwrap_or_else(|| Err("a lock is not had in time".to_owned()))
    }

    fn validate_held(&self) -> Result<(), String> {
        if self.memory.u32(header::RECOUNT).load(Relaxed) != 0 {
            self.recount_held();
        }
        for number in 0..self.layout.shards {
            self.shard(number)
                .validate()
                .map_err(|what| format!("shard {number}: {what}"))?;
        }
        for entry in self.partitions().entries() {
            let (records, taken) = (
                self.records_of(entry),
                self.partitions().slots(entry).taken(),
            );
            if records != taken as u64 {
                return Err(format!(
                    "entry {entry}: {taken} slots for {records} records"
                ));
            }
        }
        Ok(())
    }
}
