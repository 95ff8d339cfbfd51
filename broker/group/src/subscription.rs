//! The topics in a consumer's subscription, as far as the coordinator reads it.

use crate::records::reader::Reader;

/// `ConsumerProtocol.PROTOCOL_TYPE`: members with it send a subscription as metadata.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The topics that a member subscribes to. `None` when the metadata is not a consumer's.
///
/// Layout of every version (`ConsumerProtocolSubscription.json`): i16 version, array of topic names, then more that is
/// not looked at.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata);
    if reader.i16().ok()? < 0 {
        return None;
    }
    (0..reader.count().ok()?).map(|_| reader.string().ok()).collect()
}
