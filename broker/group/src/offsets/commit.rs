//! OffsetCommit, TxnOffsetCommit and the end of transactions.

use crate::classic::Committer;
use crate::context::offset_append_error;
use crate::coordinator::{Coordinator, fits};
use crate::group::Entry;
use crate::pending::{CommittedOffset, Pending};
use crate::records::{OffsetAndMetadata, offset_key, offset_value};
use crate::{
    AppendRecord, CommitOffset, ErrorCode, GroupState, OffsetCommitRequest, OffsetCommitResponse, PartitionError,
    ProducerIdAndEpoch, Response, Token, Topic, TxnOffsetCommitRequest,
};

/// What both kinds of commit come down to.
struct Commit {
    group_id: String,
    producer: Option<ProducerIdAndEpoch>,
    expire_timestamp_ms: Option<i64>,
    topics: Vec<Topic<CommitOffset>>,
}

impl Coordinator {
    pub(crate) fn offset_commit(&mut self, token: Token, request: OffsetCommitRequest) {
        let unknown_group = if request.understands_group_id_not_found {
            ErrorCode::GroupIdNotFound
        } else {
            ErrorCode::IllegalGeneration
        };
        let who = Committer {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_deref(),
            generation_id: request.generation_id_or_member_epoch,
            is_transactional: false,
        };
        if let Err(error) = self.validate_commit(&request.group_id, &who, unknown_group) {
            let response = OffsetCommitResponse { topics: all_with(&request.topics, error) };
            return self.cx.answer(token, Response::OffsetCommit(response));
        }
        if let Some(entry) = self.entries.get_mut(&request.group_id)
            && matches!(entry.group.state(), GroupState::Stable | GroupState::PreparingRebalance)
        {
            entry.group.has_committed(&self.cx, &request.member_id);
        }
        let commit = Commit {
            group_id: request.group_id,
            producer: None,
            expire_timestamp_ms: request.retention_time_ms.map(|time| self.cx.now_ms.saturating_add(time)),
            topics: request.topics,
        };
        self.append_offsets(token, commit);
    }

    pub(crate) fn txn_offset_commit(&mut self, token: Token, request: TxnOffsetCommitRequest) {
        let who = Committer {
            member_id: &request.member_id,
            group_instance_id: request.group_instance_id.as_deref(),
            generation_id: request.generation_id,
            is_transactional: true,
        };
        if let Err(error) = self.validate_commit(&request.group_id, &who, ErrorCode::IllegalGeneration) {
            let response = OffsetCommitResponse { topics: all_with(&request.topics, error) };
            return self.cx.answer(token, Response::TxnOffsetCommit(response));
        }
        let producer = Some(request.producer);
        let (group_id, topics) = (request.group_id, request.topics);
        self.append_offsets(token, Commit { group_id, producer, expire_timestamp_ms: None, topics });
    }

    /// Also makes the group of a simple consumer, which exists only by its offsets.
    fn validate_commit(
        &mut self,
        group_id: &str,
        who: &Committer<'_>,
        unknown_group: ErrorCode,
    ) -> Result<(), ErrorCode> {
        // Old consumers without a group commit under the empty id; transactions are newer than that.
        if !fits(group_id) || (group_id.is_empty() && who.is_transactional) {
            return Err(ErrorCode::InvalidGroupId);
        }
        match self.entries.get(group_id) {
            Some(entry) => entry.group.validate_commit(who),
            None if who.generation_id >= 0 => Err(unknown_group),
            None => {
                self.entries.insert(group_id.to_owned(), Entry::new(group_id));
                Ok(())
            }
        }
    }

    fn append_offsets(&mut self, token: Token, commit: Commit) {
        let append = self.cx.next_append();
        let (mut records, mut offsets, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for topic in commit.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let partition = asked.partition;
                let error = self.check_offset(&topic.name, &asked);
                partitions.push(PartitionError { partition, error });
                if !error.is_none() {
                    continue;
                }
                let value = OffsetAndMetadata {
                    offset: asked.offset,
                    leader_epoch: asked.leader_epoch.max(-1),
                    metadata: asked.metadata.unwrap_or_default(),
                    commit_timestamp_ms: self.cx.now_ms,
                    expire_timestamp_ms: commit.expire_timestamp_ms,
                };
                records.push(AppendRecord {
                    group_id: commit.group_id.clone(),
                    key: offset_key(&commit.group_id, &topic.name, partition),
                    value: Some(offset_value(&value)),
                });
                offsets.push(CommittedOffset { topic: topic.name.clone(), partition, value, append });
            }
            answers.push(Topic { name: topic.name, partitions });
        }
        let response = OffsetCommitResponse { topics: answers };
        let response = match commit.producer {
            None => Response::OffsetCommit(response),
            Some(_) => Response::TxnOffsetCommit(response),
        };
        if records.is_empty() {
            return self.cx.answer(token, response);
        }
        if let Some(entry) = self.entries.get_mut(&commit.group_id) {
            offsets.iter().for_each(|offset| entry.offsets.begin(offset));
        }
        let producer_id = commit.producer.map(|producer| producer.producer_id);
        let pending = Pending::Commit { token, group_id: commit.group_id, producer_id, offsets, response };
        self.cx.append(records, commit.producer, pending);
    }

    fn check_offset(&self, topic: &str, asked: &CommitOffset) -> ErrorCode {
        let metadata = asked.metadata.as_deref().unwrap_or_default();
        if metadata.len() > self.cx.config.offset_metadata_max_bytes || !fits(metadata) {
            ErrorCode::OffsetMetadataTooLarge
        } else if !fits(topic) {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::None
        }
    }

    pub(crate) fn offsets_stored(
        &mut self,
        token: Token,
        group_id: &str,
        producer_id: Option<i64>,
        offsets: Vec<CommittedOffset>,
        mut response: Response,
        outcome: Result<(), ErrorCode>,
    ) {
        // A group that was removed meanwhile is not brought back: the log has its tombstones behind these records.
        if let Some(entry) = self.entries.get_mut(group_id) {
            for offset in offsets {
                entry.offsets.end(&offset);
                if outcome.is_ok() {
                    entry.offsets.put(producer_id, offset);
                }
            }
            if let (Some(producer_id), Ok(())) = (producer_id, outcome) {
                self.open_transactions.entry(producer_id).or_default().insert(group_id.to_owned());
            }
        }
        if let (Err(error), Response::OffsetCommit(answer) | Response::TxnOffsetCommit(answer)) =
            (outcome, &mut response)
        {
            let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|partition| partition.error.is_none()) {
                partition.error = offset_append_error(error);
            }
        }
        self.cx.answer(token, response);
    }

    pub(crate) fn end_transaction(&mut self, producer_id: i64, commit: bool) {
        for group_id in self.open_transactions.remove(&producer_id).unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(&group_id) {
                entry.offsets.complete(producer_id, commit);
            }
            self.settle(&group_id);
        }
    }
}

fn all_with(topics: &[Topic<CommitOffset>], error: ErrorCode) -> Vec<Topic<PartitionError>> {
    let one = |topic: &Topic<CommitOffset>| Topic {
        name: topic.name.clone(),
        partitions: topic.partitions.iter().map(|asked| PartitionError { partition: asked.partition, error }).collect(),
    };
    topics.iter().map(one).collect()
}
