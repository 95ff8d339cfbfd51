//! What every implementation of the broker's traits must do, as one suite, and a real Apache Kafka to run it against.
//!
//! `contract_tests!(open)` makes one test of each case; `open` is an async function that returns `Option<impl
//! AsRef<dyn Broker>>`, `None` when its broker cannot be had on this machine (then it has said so).
//!
//! What it is not: part of the product. Only tests depend on it.

pub mod apache_kafka;
pub mod cases;
mod support;

/// One `#[tokio::test]` per case of [`cases`], each against the broker that `$open` gives it.
#[macro_export]
macro_rules! contract_tests {
    ($open:path) => {
        $crate::contract_tests! { @each $open:
            appends_land_whole_and_in_their_order,
            records_come_back_as_they_were_sent,
            a_reader_goes_on_from_any_offset_and_reaches_the_end,
            a_newer_producer_fences_the_older_one,
            a_fetch_waits_for_records_and_wakes_when_they_are_durable,
            what_cannot_be_appended_is_named_and_leaves_nothing,
            what_cannot_be_read_is_named,
            topics_are_made_changed_and_removed,
            a_recreated_topic_is_empty_and_has_another_id,
            offsets_are_found_by_time,
            group_offsets_are_committed_and_deleted,
            a_compacted_topic_holds_state_by_key,
            producers_share_a_partition_and_a_reader_that_follows_misses_nothing,
            small_batches_are_kept_apart_where_the_topic_wants_them_small,
        }
    };
    (@each $open:path: $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(broker) = $open().await {
                    $crate::cases::$case(broker.as_ref()).await;
                }
            }
        )*
    };
}
