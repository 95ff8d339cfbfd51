//! OffsetFetch.

use super::{GroupOffsets, get};
use crate::coordinator::Coordinator;
use crate::{
    ErrorCode, FetchedGroup, FetchedOffset, GroupState, OffsetFetchGroup, OffsetFetchRequest, OffsetFetchResponse,
    Response, Token, Topic,
};

impl Coordinator {
    pub(crate) fn offset_fetch(&mut self, token: Token, request: OffsetFetchRequest) {
        let groups = request.groups.into_iter().map(|group| self.fetch_group(group, request.require_stable)).collect();
        self.cx.answer(token, Response::OffsetFetch(OffsetFetchResponse { groups }));
    }

    /// An unknown group has no offsets, which is no error.
    fn fetch_group(&self, group: OffsetFetchGroup, require_stable: bool) -> FetchedGroup {
        let entry = self.entries.get(&group.group_id).filter(|entry| entry.group.state() != GroupState::Dead);
        let offsets = entry.map(|entry| &entry.offsets);
        let asked = group.topics.unwrap_or_else(|| offsets.map(all_committed).unwrap_or_default());
        let topics = asked.into_iter().map(|topic| Topic {
            partitions: topic
                .partitions
                .iter()
                .map(|partition| fetch_one(offsets, &topic.name, *partition, require_stable))
                .collect(),
            name: topic.name,
        });
        FetchedGroup { topics: topics.collect(), group_id: group.group_id, error: ErrorCode::None }
    }
}

fn all_committed(offsets: &GroupOffsets) -> Vec<Topic<i32>> {
    let topics = offsets.committed.iter();
    topics.map(|(name, some)| Topic { name: name.clone(), partitions: some.keys().copied().collect() }).collect()
}

fn fetch_one(offsets: Option<&GroupOffsets>, topic: &str, partition: i32, require_stable: bool) -> FetchedOffset {
    let mut fetched =
        FetchedOffset { partition, offset: -1, leader_epoch: -1, metadata: String::new(), error: ErrorCode::None };
    let Some(offsets) = offsets else { return fetched };
    if require_stable && offsets.is_unstable(topic, partition) {
        fetched.error = ErrorCode::UnstableOffsetCommit;
    } else if let Some(committed) = get(&offsets.committed, topic, partition) {
        fetched.offset = committed.value.offset;
        fetched.leader_epoch = committed.value.leader_epoch;
        fetched.metadata.clone_from(&committed.value.metadata);
    }
    fetched
}
