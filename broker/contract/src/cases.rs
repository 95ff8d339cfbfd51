//! The cases. Topics are named after their case, so that all can run at once on one cluster.

use crate::support::{
    Seen, append, create, expect_values, group_offset, offsets_of, part, read, read_from, records, values, wanted,
};
use bytes::Bytes;
use sluice_client::{AdminError, Append, AppendError, Broker, FetchError, NewTopic, PartitionRecords, TopicPartition};
use sluice_protocol::RecordBatchBuilder;
use std::collections::BTreeMap;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

pub async fn appends_land_whole_and_in_their_order(broker: &dyn Broker) {
    create(broker, "whole", 2, &[]).await;
    let producer = broker.producer("whole").await.expect("a producer");
    let mut acknowledgements = Vec::new();
    for i in 0..50 {
        let records = vec![part("whole", 0, records(i * 100, 100)), part("whole", 1, records(i, 1))];
        let group_offsets = vec![group_offset("whole-g", "whole", 0, i as i64, "m")];
        let append = Append { records, group_offsets };
        acknowledgements.push(producer.send(append).await.expect("sent"));
    }
    let mut base_offsets = Vec::new();
    for acknowledgement in acknowledgements {
        base_offsets.push(acknowledgement.await.expect("durable").base_offsets);
    }
    let consumer = broker.consumer();
    let first = read_from(&*consumer, "whole", 0, 0, 5000).await;
    let second = read_from(&*consumer, "whole", 1, 0, 50).await;
    assert_eq!(first.iter().map(Seen::text).collect::<Vec<_>>(), values(0..5000));
    assert_eq!(second.iter().map(Seen::text).collect::<Vec<_>>(), values(0..50));
    for (i, base_offsets) in base_offsets.iter().enumerate() {
        assert_eq!(*base_offsets, [first[i * 100].offset, second[i].offset], "append {i}");
    }
    // The first of these commits may still be all that is seen.
    let mut committed = Vec::new();
    while committed != [(0, 49, "m".to_owned())] {
        committed = offsets_of(broker, "whole-g", 1).await;
    }
    let nothing = producer.send(Append::default()).await.expect("sent").await.expect("done");
    assert!(nothing.base_offsets.is_empty());
}

pub async fn records_come_back_as_they_were_sent(broker: &dyn Broker) {
    create(broker, "verbatim", 1, &[]).await;
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let sent = [
        (1, Some(&b"key"[..]), Some(&b"value"[..]), vec![]),
        (1_700_000_000_123, None, Some(b""), vec![header("a", Some(b"1")), header("a", None), header("b", Some(b""))]),
        (1_699_999_999_000, Some(b""), None, vec![]),
        (1_700_000_000_124, None, None, vec![header("\u{e9}", Some(&[0, 255]))]),
    ];
    let mut builder = RecordBatchBuilder::new(1 << 20);
    for (timestamp, key, value, headers) in &sent {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        builder.push_with_headers(*timestamp, *key, *value, headers).expect("it fits");
    }
    let mut bytes = builder.finish().to_vec();
    bytes.extend_from_slice(&records(4, 2));
    let producer = broker.producer("verbatim").await.expect("a producer");
    let append = append(vec![part("verbatim", 0, bytes.into())]);
    assert_eq!(producer.send(append).await.expect("sent").await.expect("durable").base_offsets, [0]);
    let seen = read_from(&*broker.consumer(), "verbatim", 0, 0, 6).await;
    assert_eq!(seen.iter().map(|seen| seen.offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    for (seen, (timestamp, key, value, headers)) in seen.iter().zip(sent) {
        let expected = Seen {
            offset: seen.offset,
            timestamp,
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers,
        };
        assert_eq!(*seen, expected);
    }
    assert_eq!((seen[5].text().as_str(), seen[5].timestamp), ("value-5", 1005));
}

pub async fn a_reader_goes_on_from_any_offset_and_reaches_the_end(broker: &dyn Broker) {
    create(broker, "anywhere", 2, &[]).await;
    let producer = broker.producer("anywhere").await.expect("a producer");
    for i in 0..5 {
        let append = append(vec![part("anywhere", 0, records(i * 200, 200))]);
        producer.send(append).await.expect("sent").await.expect("durable");
    }
    let consumer = broker.consumer();
    let all = read_from(&*consumer, "anywhere", 0, 0, 1000).await;
    assert_eq!(all.len(), 1000);
    let partition = TopicPartition::new("anywhere", 0);
    let end = consumer.end_offset(&partition).await.expect("known");
    assert_eq!(consumer.beginning_offset(&partition).await.expect("known"), 0);
    assert!(end > all[999].offset);
    // Back, forward, one that is the last, the end, and again the same.
    for from in [all[999].offset, all[500].offset, all[501].offset, 0, end, all[1].offset, all[1].offset] {
        let expected: Vec<Seen> = all.iter().filter(|seen| seen.offset >= from).cloned().collect();
        assert_eq!(read_from(&*consumer, "anywhere", 0, from, expected.len()).await, expected, "from {from}");
    }
    // One record at least, also when the limit is below it; two partitions in the order asked for.
    let both = [wanted("anywhere", 1, 0, 1), wanted("anywhere", 0, all[3].offset, 1)];
    let mut fetched = consumer.fetch(&both, LONG).await;
    let second = fetched.pop().expect("two").expect("readable");
    let (seen, _) = read(&second, all[3].offset);
    assert_eq!((seen[0].text().as_str(), &second.partition), ("value-3", &partition));
    let first = fetched.pop().expect("two").expect("readable");
    assert!(first.records.is_empty() && first.partition.partition == 1 && first.high_watermark == 0);
    assert!(consumer.fetch(&[], Duration::ZERO).await.is_empty());
}

pub async fn a_newer_producer_fences_the_older_one(broker: &dyn Broker) {
    create(broker, "fence", 1, &[]).await;
    let one = |i: usize| append(vec![part("fence", 0, records(i, 1))]);
    let older = broker.producer("fence").await.expect("a producer");
    older.send(one(0)).await.expect("not fenced yet").await.expect("durable");
    let under_way = older.send(one(1)).await.expect("not fenced yet");
    let newer = broker.producer("fence").await.expect("a producer");
    let landed = under_way.await.is_ok();
    let refused = match older.send(one(2)).await {
        Ok(acknowledgement) => acknowledgement.await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(refused, Err(AppendError::ProducerFenced { .. })), "{refused:?}");
    drop(older);
    newer.send(one(3)).await.expect("the newer one goes on").await.expect("durable");
    let expected: Vec<String> =
        [0, 1, 3].into_iter().filter(|i| *i != 1 || landed).flat_map(|i| values(i..i + 1)).collect();
    // What was refused is not there, what was acknowledged is.
    expect_values(broker, "fence", 0, &expected).await;
}

pub async fn a_fetch_waits_for_records_and_wakes_when_they_are_durable(broker: &dyn Broker) {
    create(broker, "wait-a", 1, &[]).await;
    create(broker, "wait-b", 1, &[]).await;
    let producer = broker.producer("wait").await.expect("a producer");
    let consumer = broker.consumer();
    let waiting = tokio::spawn(async move {
        let both = [wanted("wait-a", 0, 0, 1000), wanted("wait-b", 0, 0, 1000)];
        consumer.fetch(&both, LONG).await
    });
    tokio::task::yield_now().await;
    let one = append(vec![part("wait-b", 0, records(0, 1))]);
    producer.send(one).await.expect("sent").await.expect("durable");
    let fetched = waiting.await.expect("it ended");
    assert!(fetched[0].as_ref().expect("readable").records.is_empty());
    let (seen, _) = read(fetched[1].as_ref().expect("readable"), 0);
    assert_eq!(seen[0].text(), "value-0");
    // Without anything to come, a fetch ends when its time is over; dropped, it ends at once.
    let consumer = broker.consumer();
    let nothing = consumer.fetch(&[wanted("wait-a", 0, 0, 1000)], Duration::from_millis(50)).await;
    assert!(nothing[0].as_ref().expect("readable").records.is_empty());
    let for_long = [wanted("wait-a", 0, 0, 1)];
    let dropped = tokio::time::timeout(Duration::from_millis(50), consumer.fetch(&for_long, LONG)).await;
    assert!(dropped.is_err());
    let one = append(vec![part("wait-a", 0, records(7, 1))]);
    producer.send(one).await.expect("sent").await.expect("durable");
    assert_eq!(read_from(&*consumer, "wait-a", 0, 0, 1).await[0].text(), "value-7");
}

pub async fn what_cannot_be_appended_is_named_and_leaves_nothing(broker: &dyn Broker) {
    create(broker, "bad", 1, &[("max.message.bytes", "200")]).await;
    create(broker, "good", 1, &[]).await;
    let producer = broker.producer("bad").await.expect("a producer");
    let refused = async |bad: PartitionRecords| {
        let append = append(vec![part("good", 0, records(0, 1)), bad]);
        match producer.send(append).await {
            Ok(acknowledgement) => acknowledgement.await.map(drop).expect_err("refused"),
            Err(error) => error,
        }
    };
    let error = refused(part("no-such-topic", 0, records(0, 1))).await;
    assert!(matches!(error, AppendError::UnknownTopicOrPartition { .. }), "{error}");
    let error = refused(part("bad", 1, records(0, 1))).await;
    assert!(matches!(error, AppendError::UnknownTopicOrPartition { .. }), "{error}");
    let error = refused(part("bad", 0, records(0, 50))).await;
    assert!(matches!(error, AppendError::RecordTooLarge { limit_bytes: 200, .. }), "{error}");
    let mut flipped = records(0, 1).to_vec();
    flipped[70] ^= 1;
    let error = refused(part("bad", 0, flipped.into())).await;
    assert!(matches!(error, AppendError::CorruptRecord { .. }), "{error}");
    let cut = records(0, 1).slice(..70);
    let error = refused(part("bad", 0, cut)).await;
    assert!(matches!(error, AppendError::CorruptRecord { .. }), "{error}");
    expect_values(broker, "good", 0, &[]).await;
    // And the producer goes on.
    producer.send(append(vec![part("good", 0, records(9, 1))])).await.expect("sent").await.expect("durable");
    expect_values(broker, "good", 0, &values(9..10)).await;
    expect_values(broker, "bad", 0, &[]).await;
}

pub async fn what_cannot_be_read_is_named(broker: &dyn Broker) {
    let consumer = broker.consumer();
    let fetched = consumer.fetch(&[wanted("unread", 0, 0, 100)], LONG).await;
    assert!(matches!(fetched[0], Err(FetchError::UnknownTopicOrPartition { .. })), "{fetched:?}");
    let unknown = consumer.end_offset(&TopicPartition::new("unread", 0)).await;
    assert!(matches!(unknown, Err(FetchError::UnknownTopicOrPartition { .. })), "{unknown:?}");
    create(broker, "unread", 1, &[]).await;
    let producer = broker.producer("unread").await.expect("a producer");
    producer.send(append(vec![part("unread", 0, records(0, 3))])).await.expect("sent").await.expect("durable");
    // The good partition answers beside the bad ones, and nobody waits.
    let wanted = [wanted("unread", 0, 99, 100), wanted("unread", 1, 0, 100), wanted("unread", 0, 1, 100)];
    let fetched = consumer.fetch(&wanted[..2], LONG).await;
    assert!(
        matches!(fetched[0], Err(FetchError::OffsetOutOfRange { offset: 99, log_start_offset: 0, .. })),
        "{fetched:?}"
    );
    assert!(matches!(fetched[1], Err(FetchError::UnknownTopicOrPartition { .. })), "{fetched:?}");
    let fetched = consumer.fetch(&wanted[1..], LONG).await;
    assert!(matches!(fetched[0], Err(FetchError::UnknownTopicOrPartition { .. })), "{fetched:?}");
    let unknown = consumer.offset_for_time(&TopicPartition::new("unread", 7), 0).await;
    assert!(matches!(unknown, Err(FetchError::UnknownTopicOrPartition { .. })), "{unknown:?}");
    assert_eq!(read_from(&*consumer, "unread", 0, 1, 2).await.len(), 2);
}

pub async fn topics_are_made_changed_and_removed(broker: &dyn Broker) {
    let admin = broker.admin();
    let topic = |name: &str, partitions, config: &[(&str, &str)]| NewTopic {
        name: name.into(),
        partitions,
        config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let made = admin.create_topic(topic("made", 2, &[("cleanup.policy", "compact")])).await.expect("created");
    assert_eq!((&*made.name, made.partitions, made.internal), ("made", 2, false));
    let error = admin.create_topic(topic("made", 2, &[])).await.expect_err("it is there");
    assert!(matches!(error, AdminError::TopicExists { .. }), "{error}");
    for bad in [topic("no spaces", 1, &[]), topic("zero", 0, &[]), topic("odd", 1, &[("retention.ms", "soon")])] {
        let error = admin.create_topic(bad).await.expect_err("refused");
        assert!(matches!(error, AdminError::InvalidTopic { .. }), "{error}");
    }
    admin.create_partitions("made", 4).await.expect("grown");
    let error = admin.create_partitions("made", 3).await.expect_err("refused");
    assert!(matches!(error, AdminError::InvalidTopic { .. }), "{error}");
    let changes =
        BTreeMap::from([("retention.ms".to_owned(), Some("1234".to_owned())), ("cleanup.policy".to_owned(), None)]);
    admin.alter_topic_config("made", changes).await.expect("altered");
    let soon = BTreeMap::from([("retention.ms".to_owned(), Some("soon".to_owned()))]);
    let error = admin.alter_topic_config("made", soon).await;
    assert!(matches!(error, Err(AdminError::InvalidTopic { .. })), "{error:?}");
    let described = admin.describe_topic("made").await.expect("known").expect("there");
    assert_eq!((described.partitions, described.id), (4, made.id));
    assert_eq!(described.config, BTreeMap::from([("retention.ms".to_owned(), "1234".to_owned())]));
    let listed = admin.list_topics().await.expect("known");
    let listed = listed.iter().find(|listed| &*listed.name == "made").expect("it is listed");
    assert_eq!((listed.partitions, listed.id, &listed.config), (4, made.id, &described.config));
    // A partition that came later takes records at once.
    let producer = broker.producer("made").await.expect("a producer");
    producer.send(append(vec![part("made", 3, records(0, 1))])).await.expect("sent").await.expect("durable");
    expect_values(broker, "made", 3, &values(0..1)).await;
    admin.delete_topic("made").await.expect("deleted");
    assert!(admin.describe_topic("made").await.expect("known").is_none());
    for error in [
        admin.delete_topic("made").await,
        admin.create_partitions("made", 9).await,
        admin.alter_topic_config("made", BTreeMap::from([("retention.ms".to_owned(), None)])).await,
    ] {
        assert!(matches!(error, Err(AdminError::UnknownTopic { .. })), "{error:?}");
    }
    assert!(!broker.cluster_id().is_empty());
}

pub async fn a_recreated_topic_is_empty_and_has_another_id(broker: &dyn Broker) {
    create(broker, "again", 1, &[]).await;
    let admin = broker.admin();
    let first = admin.describe_topic("again").await.expect("known").expect("there");
    let producer = broker.producer("again").await.expect("a producer");
    let some = |from| append(vec![part("again", 0, records(from, 3))]);
    producer.send(some(0)).await.expect("sent").await.expect("durable");
    expect_values(broker, "again", 0, &values(0..3)).await;
    admin.delete_topic("again").await.expect("deleted");
    assert!(admin.describe_topic("again").await.expect("known").is_none());
    create(broker, "again", 1, &[]).await;
    let second = admin.describe_topic("again").await.expect("known").expect("there");
    assert_ne!(first.id, second.id);
    expect_values(broker, "again", 0, &[]).await;
    let newer = broker.producer("again").await.expect("a producer");
    newer.send(some(5)).await.expect("sent").await.expect("durable");
    expect_values(broker, "again", 0, &values(5..8)).await;
}

pub async fn offsets_are_found_by_time(broker: &dyn Broker) {
    create(broker, "time", 1, &[]).await;
    let partition = TopicPartition::new("time", 0);
    let consumer = broker.consumer();
    assert_eq!(consumer.offset_for_time(&partition, 0).await.expect("known"), None, "nothing is there yet");
    let producer = broker.producer("time").await.expect("a producer");
    for i in 0..3 {
        producer.send(append(vec![part("time", 0, records(i * 10, 10))])).await.expect("sent").await.expect("durable");
    }
    let all = read_from(&*consumer, "time", 0, 0, 30).await;
    for time in [0, 1000, 1001, 1009, 1010, 1015, 1029] {
        let expected = all.iter().find(|seen| seen.timestamp >= time).map(|seen| seen.offset);
        assert_eq!(consumer.offset_for_time(&partition, time).await.expect("known"), expected, "at {time}");
    }
    for time in [1030, 99_999_999] {
        assert_eq!(consumer.offset_for_time(&partition, time).await.expect("known"), None, "at {time}");
    }
}

pub async fn group_offsets_are_committed_and_deleted(broker: &dyn Broker) {
    create(broker, "groups", 3, &[]).await;
    let admin = broker.admin();
    assert!(admin.group_offsets("groups-a").await.expect("known").is_empty());
    admin.delete_group_offsets("groups-a", None).await.expect("nothing to do");
    let producer = broker.producer("groups").await.expect("a producer");
    let long = "m".repeat(4096);
    let group_offsets = vec![
        group_offset("groups-a", "groups", 0, 10, ""),
        group_offset("groups-a", "groups", 1, 11, &long),
        group_offset("groups-b", "groups", 0, 20, "b"),
        group_offset("groups-a", "groups", 2, 12, "x"),
        group_offset("groups-a", "groups", 0, 13, "last"),
    ];
    let commit = Append { records: Vec::new(), group_offsets };
    assert!(producer.send(commit).await.expect("sent").await.expect("durable").base_offsets.is_empty());
    let found = offsets_of(broker, "groups-a", 3).await;
    assert_eq!(found, [(0, 13, "last".to_owned()), (1, 11, long), (2, 12, "x".to_owned())]);
    let some = vec![TopicPartition::new("groups", 1), TopicPartition::new("groups", 2)];
    admin.delete_group_offsets("groups-a", Some(some.clone())).await.expect("deleted");
    admin.delete_group_offsets("groups-a", Some(some)).await.expect("they are gone already");
    assert_eq!(admin.group_offsets("groups-a").await.expect("known").len(), 1);
    admin.delete_group_offsets("groups-a", None).await.expect("deleted");
    assert!(admin.group_offsets("groups-a").await.expect("known").is_empty());
    assert_eq!(offsets_of(broker, "groups-b", 1).await, [(0, 20, "b".to_owned())]);
    let too_long =
        Append { records: vec![], group_offsets: vec![group_offset("groups-a", "groups", 0, 1, &"m".repeat(4097))] };
    let error = producer.send(too_long).await.map(drop).expect_err("refused");
    assert!(matches!(error, AppendError::RecordTooLarge { .. }), "{error}");
}

pub async fn a_compacted_topic_holds_state_by_key(broker: &dyn Broker) {
    create(broker, "state", 1, &[("cleanup.policy", "compact")]).await;
    let producer = broker.producer("state").await.expect("a producer");
    let put = |key: &str, value: Option<&str>| {
        let mut builder = RecordBatchBuilder::new(1 << 20);
        builder.push(1, Some(key.as_bytes()), value.map(str::as_bytes)).expect("it fits");
        append(vec![part("state", 0, builder.finish())])
    };
    let writes = [("a", Some("1")), ("b", Some("2")), ("a", Some("3")), ("b", None), ("c", Some("4"))];
    for (key, value) in writes {
        producer.send(put(key, value)).await.expect("sent").await.expect("durable");
    }
    let mut state = BTreeMap::new();
    for seen in read_from(&*broker.consumer(), "state", 0, 0, 5).await {
        let key = String::from_utf8(seen.key.clone().expect("each has a key")).expect("text");
        match seen.value {
            Some(_) => state.insert(key, seen.text()),
            None => state.remove(&key),
        };
    }
    assert_eq!(state, BTreeMap::from([("a".to_owned(), "3".to_owned()), ("c".to_owned(), "4".to_owned())]));
    let mut builder = RecordBatchBuilder::new(1 << 20);
    builder.push(1, None, Some(b"no key")).expect("it fits");
    let refused = match producer.send(append(vec![part("state", 0, builder.finish())])).await {
        Ok(acknowledgement) => acknowledgement.await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(refused, Err(AppendError::CorruptRecord { .. })), "{refused:?}");
}

pub async fn producers_share_a_partition_and_a_reader_that_follows_misses_nothing(broker: &dyn Broker) {
    const PRODUCERS: usize = 3;
    const APPENDS: usize = 40;
    create(broker, "shared", 1, &[]).await;
    let consumer = broker.consumer();
    let reader = tokio::spawn(async move {
        let (mut all, mut offset) = (Vec::new(), 0);
        while all.len() < PRODUCERS * APPENDS * 2 {
            let fetched = consumer.fetch(&[wanted("shared", 0, offset, 500)], LONG).await.pop().expect("one");
            let (seen, next) = read(&fetched.expect("readable"), offset);
            assert!(next > offset, "a minute passed without a record");
            all.extend(seen);
            offset = next;
        }
        all
    });
    let mut producers = Vec::new();
    for number in 0..PRODUCERS {
        producers.push(broker.producer(&format!("shared-{number}")).await.expect("a producer"));
    }
    let mut acknowledgements = Vec::new();
    for i in 0..APPENDS {
        for (number, producer) in producers.iter().enumerate() {
            let mut builder = RecordBatchBuilder::new(1 << 20);
            for half in 0..2 {
                builder.push(1, None, Some(format!("{number}/{}", 2 * i + half).as_bytes())).expect("it fits");
            }
            let one = append(vec![part("shared", 0, builder.finish())]);
            acknowledgements.push((number, i, producer.send(one).await.expect("sent")));
        }
    }
    let mut base_offsets = BTreeMap::new();
    for (number, i, acknowledgement) in acknowledgements {
        base_offsets.insert((number, i), acknowledgement.await.expect("durable").base_offsets[0]);
    }
    let all = reader.await.expect("it ended well");
    for number in 0..PRODUCERS {
        let own: Vec<&Seen> = all.iter().filter(|seen| seen.text().starts_with(&format!("{number}/"))).collect();
        let expected: Vec<String> = (0..2 * APPENDS).map(|i| format!("{number}/{i}")).collect();
        assert_eq!(own.iter().map(|seen| seen.text()).collect::<Vec<_>>(), expected);
        for i in 0..APPENDS {
            assert_eq!(base_offsets[&(number, i)], own[2 * i].offset);
        }
    }
}

pub async fn small_batches_are_kept_apart_where_the_topic_wants_them_small(broker: &dyn Broker) {
    create(broker, "small", 1, &[("max.message.bytes", "300")]).await;
    let producer = broker.producer("small").await.expect("a producer");
    let batch = |i: usize| {
        let mut builder = RecordBatchBuilder::new(300);
        builder.push(1, None, Some(format!("value-{i}{}", " ".repeat(190)).as_bytes())).expect("it fits");
        builder.finish()
    };
    let several: Bytes = (0..4).flat_map(batch).collect::<Vec<u8>>().into();
    let appended = producer.send(append(vec![part("small", 0, several)])).await.expect("sent").await.expect("durable");
    assert_eq!(appended.base_offsets, [0]);
    let seen = read_from(&*broker.consumer(), "small", 0, 0, 4).await;
    assert_eq!(seen.iter().map(|seen| seen.text().trim().to_owned()).collect::<Vec<_>>(), values(0..4));
}
