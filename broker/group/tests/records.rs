//! The on-disk format: Kafka's bytes, and any bytes.

use bytes::Bytes;
use proptest::prelude::*;
use sluice_group::records::*;

fn group() -> GroupMetadata {
    GroupMetadata {
        protocol_type: "consumer".into(),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        state_timestamp_ms: Some(258),
        members: vec![MemberMetadata {
            member_id: "m".into(),
            group_instance_id: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout_ms: 5,
            session_timeout_ms: 6,
            subscription: Bytes::from_static(b"sub"),
            assignment: Bytes::from_static(b"a"),
        }],
    }
}

#[test]
fn an_offset_is_written_as_kafka_writes_it() {
    assert_eq!(offset_key("g", "tt", 5), Bytes::from_static(b"\0\x01\0\x01g\0\x02tt\0\0\0\x05"));
    let mut offset = OffsetAndMetadata {
        offset: 258,
        leader_epoch: -1,
        metadata: "m".into(),
        commit_timestamp_ms: 1,
        expire_timestamp_ms: None,
    };
    let plain = b"\0\x03\0\0\0\0\0\0\x01\x02\xff\xff\xff\xff\0\x01m\0\0\0\0\0\0\0\x01";
    assert_eq!(offset_value(&offset), Bytes::from_static(plain));
    offset.expire_timestamp_ms = Some(2);
    let expiring = b"\0\x01\0\0\0\0\0\0\x01\x02\0\x01m\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02";
    assert_eq!(offset_value(&offset), Bytes::from_static(expiring));
}

#[test]
fn a_group_is_written_as_kafka_writes_it() {
    assert_eq!(group_key("gg"), Bytes::from_static(b"\0\x02\0\x02gg"));
    let golden = b"\0\x03\0\x08consumer\0\0\0\x03\0\x05range\0\x01m\0\0\0\0\0\0\x01\x02\0\0\0\x01\
        \0\x01m\xff\xff\0\x01c\0\x02/h\0\0\0\x05\0\0\0\x06\0\0\0\x03sub\0\0\0\x01a";
    assert_eq!(group_value(&group()), Bytes::from_static(golden));
}

#[test]
fn every_version_of_a_value_is_read() {
    let offset = |value: &[u8]| match decode(&offset_key("g", "t", 0), Some(value)) {
        Ok(Record::Offset { value: Some(value), .. }) => {
            (value.offset, value.leader_epoch, value.commit_timestamp_ms, value.expire_timestamp_ms)
        }
        other => panic!("{other:?}"),
    };
    let eight = |n: u8| [0, 0, 0, 0, 0, 0, 0, n];
    let with = |parts: &[&[u8]]| parts.concat();
    let (nine, ten, twenty) = (eight(9), eight(10), eight(20));
    assert_eq!(offset(&with(&[b"\0\x00", &nine, b"\0\0", &ten])), (9, -1, 10, None));
    assert_eq!(offset(&with(&[b"\0\x01", &nine, b"\0\0", &ten, &twenty])), (9, -1, 10, Some(20)));
    assert_eq!(offset(&with(&[b"\0\x02", &nine, b"\0\0", &ten])), (9, -1, 10, None));
    assert_eq!(offset(&with(&[b"\0\x03", &nine, b"\0\0\0\x04", b"\0\0", &ten])), (9, 4, 10, None));
    let tagged = with(&[b"\0\x04", &nine, b"\0\0\0\x04", b"\x01", &ten, b"\x01\x00\x02ab"]);
    assert_eq!(offset(&tagged), (9, 4, 10, None));

    let read = |value: &[u8]| match decode(&group_key("g"), Some(value)) {
        Ok(Record::Group { value: Some(value), .. }) => value,
        other => panic!("{other:?}"),
    };
    let first = read(b"\0\0\0\x01t\0\0\0\x01\xff\xff\xff\xff\0\0\0\x01\0\x01m\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0");
    assert_eq!((first.members[0].rebalance_timeout_ms, first.state_timestamp_ms), (7, None), "a round is a session");
    let flexible = b"\0\x04\x09consumer\0\0\0\x03\x06range\x02m\0\0\0\0\0\0\x01\x02\x02\
        \x02m\0\x02c\x03/h\0\0\0\x05\0\0\0\x06\x04sub\x02a\0\0";
    assert_eq!(read(flexible), group());
}

#[test]
fn what_cannot_be_read_is_an_error_and_other_protocols_are_skipped() {
    let key = group_key("g");
    assert_eq!(decode(&key, Some(b"\0\x05")), Err(RecordError::UnknownVersion(5)));
    assert_eq!(decode(&key, Some(b"\0\x03\0")), Err(RecordError::Malformed));
    assert_eq!(decode(b"\0", None), Err(RecordError::Malformed));
    assert_eq!(decode(b"\0\x03\0\x01g", Some(b"\0\0")), Ok(Record::Other));
    let two_billion_members = b"\0\x03\0\x01t\0\0\0\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x7f\xff\xff\xff";
    assert_eq!(decode(&key, Some(two_billion_members)), Err(RecordError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_are_read_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        sluice_group::fuzz::records(&input);
    }

    #[test]
    fn bytes_that_almost_are_a_group_are_read_or_refused(
        version in 0u8..6, at in 0usize..80, byte in any::<u8>(), cut in 0usize..80,
    ) {
        let mut value = group_value(&group()).to_vec();
        value[1] = version;
        let at = at % value.len();
        value[at] = byte;
        value.truncate(value.len() - cut.min(value.len()));
        sluice_group::fuzz::records(&value);
    }

    #[test]
    fn what_is_written_is_read(
        texts in proptest::collection::vec("[a-zäß✓]{0,12}", 6), numbers in any::<(i32, i32, i32)>(), timestamp in 0i64..,
        instance in proptest::option::of("[a-z]{0,5}"), blob in proptest::collection::vec(any::<u8>(), 0..50), members in 0usize..4,
    ) {
        let member = |n: usize| MemberMetadata {
            member_id: format!("{}{n}", texts[0]),
            group_instance_id: instance.clone(),
            client_id: texts[1].clone(),
            client_host: texts[2].clone(),
            rebalance_timeout_ms: numbers.0 & i32::MAX,
            session_timeout_ms: numbers.1,
            subscription: blob.clone().into(),
            assignment: blob.clone().into(),
        };
        let value = GroupMetadata {
            protocol_type: texts[3].clone(),
            generation: numbers.2,
            protocol: instance.clone(),
            leader: Some(texts[4].clone()),
            state_timestamp_ms: Some(timestamp),
            members: (0..members).map(member).collect(),
        };
        let read = decode(&group_key(&texts[5]), Some(&group_value(&value)));
        prop_assert_eq!(read, Ok(Record::Group { group_id: texts[5].clone(), value: Some(value) }));
    }
}
