//! Entry points for a fuzzer: each takes any bytes and must neither panic nor allocate by a length it read.

use crate::records::{self, Record};
use crate::subscription::subscribed_topics;

/// Reads `input` as key, as value of every key, and as subscription; what was read is written and must read the same.
pub fn records(input: &[u8]) -> usize {
    let split = input.first().map_or(0, |first| usize::from(*first) % input.len());
    let (key, value) = input.split_at(split);
    let offset_key = records::offset_key("g", "t", 0);
    let group_key = records::group_key("g");
    let mut read = 0;
    for (key, value) in [(key, Some(value)), (input, None), (&offset_key, Some(input)), (&group_key, Some(input))] {
        let Ok(record) = records::decode(key, value) else { continue };
        read += 1;
        let (key, value) = match &record {
            Record::Offset { group_id, topic, partition, value: offset } => {
                (records::offset_key(group_id, topic, *partition), offset.as_ref().map(records::offset_value))
            }
            Record::Group { group_id, value } => {
                (records::group_key(group_id), value.as_ref().map(records::group_value))
            }
            Record::Other => continue,
        };
        let again = records::decode(&key, value.as_deref()).expect("what was written can be read");
        assert_eq!(record, again);
    }
    read + subscribed_topics(input).map_or(0, |topics| topics.len())
}
