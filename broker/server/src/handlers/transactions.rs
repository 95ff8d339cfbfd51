//! AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, DescribeTransactions, ListTransactions. Source: KIP-98, KIP-664.

use super::text;
use crate::dispatch::Context;
use crate::error::WireError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::list_transactions_response::TransactionState as ListedTransaction;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse, ListTransactionsRequest,
    ListTransactionsResponse, TopicName, TransactionalId,
};
use sluice_embedded::{Partitions, TransactionMetadata, TransactionStatus};

/// Older clients know an epoch that is over, but no producer that was fenced. Source: KIP-588.
const FENCED_FROM: i16 = 2;

/// The code in words that a client of this version has.
pub(crate) fn understood(code: i16, version: i16, fenced_from: i16) -> i16 {
    if code == ResponseError::ProducerFenced.code() && version < fenced_from {
        ResponseError::InvalidProducerEpoch.code()
    } else {
        code
    }
}

// ---- partitions and offsets

/// All partitions are added, or none.
pub(crate) async fn add_partitions(
    context: &Context,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let topics = &request.v3_and_below_topics;
    let wrong = |topic: &AddPartitionsToTxnTopic, partition: i32| -> Option<i16> {
        let known = context.writable(&topic.name).map(|id| context.shared.broker.topic_facts(id));
        match known {
            Err(error) => Some(error.code),
            Ok(Some(facts)) if (0..facts.partitions).contains(&partition) => None,
            Ok(_) => Some(ResponseError::UnknownTopicOrPartition.code()),
        }
    };
    let any_wrong = topics.iter().any(|topic| topic.partitions.iter().any(|part| wrong(topic, *part).is_some()));
    let outcome = if any_wrong {
        ResponseError::OperationNotAttempted.code()
    } else {
        let mut partitions = Partitions::new();
        for topic in topics {
            partitions.entry(topic.name.to_string()).or_default().extend(&topic.partitions);
        }
        let producer = (request.v3_and_below_producer_id.0, request.v3_and_below_producer_epoch);
        let id = &request.v3_and_below_transactional_id;
        let added = context.shared.broker.add_partitions_to_transaction(id, producer, &partitions).await;
        code_of(context, added.map_err(WireError::from))
    };
    let results = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(wrong(topic, *index).unwrap_or(outcome))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

pub(crate) async fn add_offsets(context: &Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let outcome = if request.group_id.is_empty() {
        Err(WireError::new(ResponseError::InvalidGroupId, "a group has a name"))
    } else {
        let added = context.shared.broker.add_offsets_to_transaction(&request.transactional_id, producer).await;
        added.map_err(WireError::from)
    };
    AddOffsetsToTxnResponse::default().with_error_code(code_of(context, outcome))
}

pub(crate) async fn end(context: &Context, request: EndTxnRequest) -> EndTxnResponse {
    let producer = (request.producer_id.0, request.producer_epoch);
    let broker = &context.shared.broker;
    let ended = broker.end_transaction(&request.transactional_id, producer, request.committed).await;
    EndTxnResponse::default().with_error_code(code_of(context, ended.map_err(WireError::from)))
}

fn code_of(context: &Context, outcome: Result<(), WireError>) -> i16 {
    outcome.map_or_else(|error| understood(error.code, context.version(), FENCED_FROM), |()| 0)
}

// ---- looking

pub(crate) fn describe(context: &Context, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let states = request.transactional_ids.into_iter().map(|id| match context.shared.broker.transaction(&id) {
        Some(metadata) => described(id, &metadata),
        None => {
            let code = ResponseError::TransactionalIdNotFound.code();
            TransactionState::default().with_error_code(code).with_transactional_id(id)
        }
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn described(id: TransactionalId, metadata: &TransactionMetadata) -> TransactionState {
    let topics = metadata.partitions.iter().map(|(name, partitions)| {
        TopicData::default().with_topic(TopicName(text(name))).with_partitions(partitions.iter().copied().collect())
    });
    TransactionState::default()
        .with_transactional_id(id)
        .with_transaction_state(text(metadata.status.name()))
        .with_transaction_timeout_ms(metadata.timeout_ms)
        .with_transaction_start_time_ms(metadata.start_ms)
        .with_producer_id(metadata.producer_id.into())
        .with_producer_epoch(metadata.producer_epoch)
        .with_topics(topics.collect())
}

pub(crate) fn list(context: &Context, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let known =
        |name: &str| TransactionStatus::ALL.iter().any(|status| status.name() == name) || PASSING.contains(&name);
    let unknown = request.state_filters.iter().filter(|name| !known(name)).cloned().collect();
    let now_ms = context.shared.broker.now_ms();
    let long_enough = |metadata: &TransactionMetadata| {
        let open = metadata.status == TransactionStatus::Ongoing;
        // Negative: however long (KIP-994).
        request.duration_filter < 0 || (open && now_ms.saturating_sub(metadata.start_ms) > request.duration_filter)
    };
    let wanted = |metadata: &TransactionMetadata| {
        let states = &request.state_filters;
        let producers = &request.producer_id_filters;
        (states.is_empty() || states.iter().any(|name| name.as_str() == metadata.status.name()))
            && (producers.is_empty() || producers.iter().any(|id| id.0 == metadata.producer_id))
            && long_enough(metadata)
    };
    let all = context.shared.broker.transactions().into_iter().filter(|(_, metadata)| wanted(metadata));
    let listed = all.map(|(id, metadata)| {
        ListedTransaction::default()
            .with_transactional_id(TransactionalId(text(&id)))
            .with_producer_id(metadata.producer_id.into())
            .with_transaction_state(text(metadata.status.name()))
    });
    ListTransactionsResponse::default().with_unknown_state_filters(unknown).with_transaction_states(listed.collect())
}

/// States of Kafka's through which no transaction passes here: a decision and its markers are one append.
const PASSING: [&str; 4] = ["PrepareCommit", "PrepareAbort", "PrepareEpochFence", "Dead"];
