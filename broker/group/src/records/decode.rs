//! From bytes to records.

use super::reader::Reader;
use super::{GroupMetadata, MemberMetadata, OffsetAndMetadata, Record, RecordError};

/// Reads one record. Bytes behind the last known field are ignored, as in Kafka.
pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Record, RecordError> {
    let mut key = Reader::new(key);
    match key.i16()? {
        0 | 1 => Ok(Record::Offset {
            group_id: key.string()?,
            topic: key.string()?,
            partition: key.i32()?,
            value: value.map(offset_value).transpose()?,
        }),
        2 => Ok(Record::Group { group_id: key.string()?, value: value.map(group_value).transpose()? }),
        _ => Ok(Record::Other),
    }
}

fn offset_value(value: &[u8]) -> Result<OffsetAndMetadata, RecordError> {
    let mut value = Reader::new(value);
    let version = version(&mut value)?;
    let offset = value.i64()?;
    let leader_epoch = if version >= 3 { value.i32()? } else { -1 };
    let metadata = value.string()?;
    let commit_timestamp_ms = value.i64()?;
    let expire_timestamp_ms = if version == 1 { Some(value.i64()?).filter(|at| *at != -1) } else { None };
    value.tags()?;
    Ok(OffsetAndMetadata { offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms })
}

fn group_value(value: &[u8]) -> Result<GroupMetadata, RecordError> {
    let mut value = Reader::new(value);
    let version = version(&mut value)?;
    let protocol_type = value.string()?;
    let generation = value.i32()?;
    let protocol = value.nullable_string()?;
    let leader = value.nullable_string()?;
    let state_timestamp_ms = if version >= 2 { Some(value.i64()?).filter(|at| *at != -1) } else { None };
    let members = (0..value.count()?).map(|_| member(&mut value, version)).collect::<Result<_, _>>()?;
    value.tags()?;
    Ok(GroupMetadata { protocol_type, generation, protocol, leader, state_timestamp_ms, members })
}

fn member(value: &mut Reader<'_>, version: i16) -> Result<MemberMetadata, RecordError> {
    let member_id = value.string()?;
    let group_instance_id = if version >= 3 { value.nullable_string()? } else { None };
    let client_id = value.string()?;
    let client_host = value.string()?;
    let rebalance_timeout_ms = if version >= 1 { value.i32()? } else { -1 };
    let session_timeout_ms = value.i32()?;
    let (subscription, assignment) = (value.bytes()?, value.bytes()?);
    value.tags()?;
    Ok(MemberMetadata {
        member_id,
        group_instance_id,
        client_id,
        client_host,
        // Before version 1 a round lasted as long as a session.
        rebalance_timeout_ms: if rebalance_timeout_ms == -1 { session_timeout_ms } else { rebalance_timeout_ms },
        session_timeout_ms,
        subscription,
        assignment,
    })
}

fn version(value: &mut Reader<'_>) -> Result<i16, RecordError> {
    let version = value.i16()?;
    if !(0..=4).contains(&version) {
        return Err(RecordError::UnknownVersion(version));
    }
    value.flexible = version >= 4;
    Ok(version)
}
