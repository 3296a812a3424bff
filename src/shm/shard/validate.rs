//! Whether heap, index, queues and counts of a shard agree.

use crate::shm::region::layout::shard as place;
use crate::shm::shard::eviction::Queues;
use crate::shm::shard::heap::Tag;
use crate::shm::shard::index::Index;
use crate::shm::shard::view::Shard;

impl Shard<'_> {
    /// Walks every structure; the error says what does not agree.
    pub fn validate(&self) -> Result<(), String> {
        let (mut records, mut granules) = (0, 0);
        self.heap.validate(|at, tag: Tag| {
            let record = self.record(at).map_err(|_| format!("a record at {at}"))?;
            if record
                .read(record.fingerprint(), self.digests, None)
                .is_none()
            {
                return Err(format!("the checksum of the record at {at}"));
            }
            records += 1;
            granules += tag.granules();
            Ok(())
        })?;
        let indexed = Index(*self).validate()?;
        let (mut queued, mut partitions) = (0, 0);
        for entry in self.partitions().entries() {
            let queues = Queues::of(*self, entry);
            queues.validate()?;
            queued += queues.len();
            partitions += u32::from(queues.len() > 0);
        }
        let counted = (
            self.word(place::RECORDS),
            self.word(place::GRANULES),
            self.word(place::PARTITIONS),
        );
        if counted != (records, granules, partitions) || indexed != records || queued != records {
            return Err(format!(
                "{records} records of {granules} granules in {partitions} partitions, {indexed} in the index, {queued} in queues: \
                 counted as {counted:?}"
            ));
        }
        Ok(())
    }
}
