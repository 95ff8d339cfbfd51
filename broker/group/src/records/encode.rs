//! From records to bytes. Strings longer than 32,767 bytes are refused before they come here.

use super::{GroupMetadata, OffsetAndMetadata};
use bytes::{BufMut, Bytes};

/// The key of an offset.
pub fn offset_key(group_id: &str, topic: &str, partition: i32) -> Bytes {
    let mut out = Vec::with_capacity(10 + group_id.len() + topic.len());
    out.put_i16(1);
    put_string(&mut out, group_id);
    put_string(&mut out, topic);
    out.put_i32(partition);
    out.into()
}

/// The value of an offset: version 3, or 1 when it has its own expiry.
pub fn offset_value(value: &OffsetAndMetadata) -> Bytes {
    let mut out = Vec::with_capacity(32 + value.metadata.len());
    out.put_i16(if value.expire_timestamp_ms.is_some() { 1 } else { 3 });
    out.put_i64(value.offset);
    if value.expire_timestamp_ms.is_none() {
        out.put_i32(value.leader_epoch);
    }
    put_string(&mut out, &value.metadata);
    out.put_i64(value.commit_timestamp_ms);
    if let Some(at) = value.expire_timestamp_ms {
        out.put_i64(at);
    }
    out.into()
}

/// The key of a group's metadata.
pub fn group_key(group_id: &str) -> Bytes {
    let mut out = Vec::with_capacity(4 + group_id.len());
    out.put_i16(2);
    put_string(&mut out, group_id);
    out.into()
}

/// The value of a group's metadata, version 3.
pub fn group_value(value: &GroupMetadata) -> Bytes {
    let mut out = Vec::with_capacity(64 + 256 * value.members.len());
    out.put_i16(3);
    put_string(&mut out, &value.protocol_type);
    out.put_i32(value.generation);
    put_nullable_string(&mut out, value.protocol.as_deref());
    put_nullable_string(&mut out, value.leader.as_deref());
    out.put_i64(value.state_timestamp_ms.unwrap_or(-1));
    put_len(&mut out, value.members.len());
    for member in &value.members {
        put_string(&mut out, &member.member_id);
        put_nullable_string(&mut out, member.group_instance_id.as_deref());
        put_string(&mut out, &member.client_id);
        put_string(&mut out, &member.client_host);
        out.put_i32(member.rebalance_timeout_ms);
        out.put_i32(member.session_timeout_ms);
        put_len(&mut out, member.subscription.len());
        out.put_slice(&member.subscription);
        put_len(&mut out, member.assignment.len());
        out.put_slice(&member.assignment);
    }
    out.into()
}

fn put_nullable_string(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put_i16(-1),
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.put_i16(i16::try_from(text.len()).expect("the coordinator takes no string above 32,767 bytes"));
    out.put_slice(text.as_bytes());
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    out.put_i32(i32::try_from(len).expect("it came in a request, whose size is an i32"));
}
