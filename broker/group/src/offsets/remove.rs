//! OffsetDelete, DeleteGroups, deleted topics and expiry: all are tombstones, and forgetting when they are stored.

use crate::context::group_append_error;
use crate::coordinator::Coordinator;
use crate::group::Entry;
use crate::pending::{Pending, Removal};
use crate::records::{group_key, offset_key};
use crate::{
    AppendRecord, DeleteGroupsRequest, DeleteGroupsResponse, DeletedGroup, ErrorCode, GroupState, OffsetDeleteRequest,
    OffsetDeleteResponse, PartitionError, Response, Token, Topic,
};

impl Coordinator {
    pub(crate) fn offset_delete(&mut self, token: Token, request: OffsetDeleteRequest) {
        let missing = if request.group_id.is_empty() { ErrorCode::InvalidGroupId } else { ErrorCode::GroupIdNotFound };
        let entry = self.entries.get(&request.group_id).ok_or(missing);
        let entry = match entry.and_then(|entry| entry.group.validate_offset_delete().map(|()| entry)) {
            Ok(entry) => entry,
            Err(error) => {
                let response = OffsetDeleteResponse { error, topics: Vec::new() };
                return self.cx.answer(token, Response::OffsetDelete(response));
            }
        };
        let known = entry.offsets.partitions();
        let (mut offsets, mut topics) = (Vec::new(), Vec::new());
        for topic in request.topics {
            let read = entry.group.is_subscribed_to(&topic.name);
            let error = if read { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            let partitions: Vec<_> =
                topic.partitions.iter().map(|partition| PartitionError { partition: *partition, error }).collect();
            let keys = topic.partitions.into_iter().map(|partition| (topic.name.clone(), partition));
            let gone = keys.filter(|key| !read && known.contains(key));
            offsets.extend(gone.map(|(name, partition)| (request.group_id.clone(), name, partition)));
            topics.push(Topic { name: topic.name, partitions });
        }
        let response = Response::OffsetDelete(OffsetDeleteResponse { error: ErrorCode::None, topics });
        self.append_removal(Removal { answer: Some((token, response)), offsets, groups: Vec::new() });
    }

    pub(crate) fn delete_groups(&mut self, token: Token, request: DeleteGroupsRequest) {
        let mut removal = Removal::default();
        let mut results = Vec::with_capacity(request.groups.len());
        for group_id in request.groups {
            let entry = self.entries.get_mut(&group_id).ok_or(ErrorCode::GroupIdNotFound);
            let deletable = entry.and_then(|entry| entry.group.validate_delete().map(|()| entry));
            let error = deletable.map(|entry| remove_group(&mut removal, &group_id, entry)).err();
            results.push(DeletedGroup { group_id, error: error.unwrap_or(ErrorCode::None) });
        }
        removal.answer = Some((token, Response::DeleteGroups(DeleteGroupsResponse { results })));
        self.append_removal(removal);
    }

    pub(crate) fn forget_topics(&mut self, topics: &[String]) {
        let mut removal = Removal::default();
        for (group_id, entry) in &self.entries {
            let gone = entry.offsets.partitions().into_iter().filter(|(topic, _)| topics.contains(topic));
            removal.offsets.extend(gone.map(|(topic, partition)| (group_id.clone(), topic, partition)));
        }
        self.append_removal(removal);
    }

    /// Removes expired offsets, and groups that have no members and no offsets.
    pub(crate) fn expire(&mut self) {
        let (now, retention) = (self.cx.now_ms, self.cx.config.offsets_retention_ms());
        let mut removal = Removal::default();
        for (group_id, entry) in &mut self.entries {
            let mut keeps = entry.offsets.has_commits_under_way() || has_pending_members(entry);
            let mut expired = Vec::new();
            for (topic, partition, value) in entry.offsets.committed() {
                let over = match value.expire_timestamp_ms {
                    Some(at) => entry.group.expires_from(0).is_some() && now >= at,
                    None => entry
                        .group
                        .expires_from(value.commit_timestamp_ms)
                        .is_some_and(|from| now.saturating_sub(from) >= retention),
                };
                if over && !entry.group.is_subscribed_to(topic) && !entry.offsets.is_unstable(topic, partition) {
                    expired.push((group_id.clone(), topic.to_owned(), partition));
                } else {
                    keeps = true;
                }
            }
            if !keeps && entry.group.state() == GroupState::Empty {
                remove_group(&mut removal, group_id, entry);
            } else {
                removal.offsets.extend(expired);
            }
        }
        self.append_removal(removal);
    }

    fn append_removal(&mut self, removal: Removal) {
        let offsets = removal.offsets.iter().map(|(group_id, topic, partition)| AppendRecord {
            group_id: group_id.clone(),
            key: offset_key(group_id, topic, *partition),
            value: None,
        });
        let groups = removal.groups.iter().map(|group_id| AppendRecord {
            group_id: group_id.clone(),
            key: group_key(group_id),
            value: None,
        });
        let records: Vec<AppendRecord> = offsets.chain(groups).collect();
        match removal.answer {
            Some((token, response)) if records.is_empty() => self.cx.answer(token, response),
            None if records.is_empty() => {}
            answer => self.cx.append(records, None, Pending::Removal(Removal { answer, ..removal })),
        }
    }

    pub(crate) fn removed(&mut self, removal: Removal, outcome: Result<(), ErrorCode>) {
        match outcome {
            Ok(()) => self.forget(&removal),
            Err(_) => {
                for group_id in &removal.groups {
                    if let Some(entry) = self.entries.get_mut(group_id) {
                        entry.group.set_dead(false);
                    }
                }
            }
        }
        let Some((token, mut response)) = removal.answer else { return };
        if let Err(error) = outcome {
            match &mut response {
                Response::OffsetDelete(answer) => {
                    *answer = OffsetDeleteResponse { error: group_append_error(error), topics: Vec::new() };
                }
                Response::DeleteGroups(answer) => {
                    for result in answer.results.iter_mut().filter(|result| result.error.is_none()) {
                        result.error = group_append_error(error);
                    }
                }
                _ => {}
            }
        }
        self.cx.answer(token, response);
    }

    fn forget(&mut self, removal: &Removal) {
        for (group_id, topic, partition) in &removal.offsets {
            if let Some(entry) = self.entries.get_mut(group_id) {
                entry.offsets.forget(topic, *partition);
            }
        }
        for group_id in &removal.groups {
            self.remove_entry(group_id);
        }
        for (group_id, _, _) in &removal.offsets {
            self.settle(group_id);
        }
    }
}

fn has_pending_members(entry: &Entry) -> bool {
    let crate::group::Group::Classic(group) = &entry.group;
    !group.pending_join.is_empty()
}

/// Everything known of the group goes: also what is still on its way into the log, before these tombstones.
fn remove_group(removal: &mut Removal, group_id: &str, entry: &mut Entry) {
    let partitions = entry.offsets.partitions().into_iter();
    removal.offsets.extend(partitions.map(|(topic, partition)| (group_id.to_owned(), topic, partition)));
    removal.groups.push(group_id.to_owned());
    entry.group.set_dead(true);
}
