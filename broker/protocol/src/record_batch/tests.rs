use super::*;
use builder::put;
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use proptest::prelude::*;
use std::borrow::Cow;
use std::io::Write as _;

#[derive(Debug, Clone)]
struct Row {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

struct Rows<'a>(&'a [Row]);

impl RecordColumns for Rows<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn key(&self, row: usize) -> Option<&[u8]> {
        self.0[row].key.as_deref()
    }
    fn value(&self, row: usize) -> Option<&[u8]> {
        self.0[row].value.as_deref()
    }
    fn timestamp(&self, row: usize) -> i64 {
        self.0[row].timestamp
    }
    fn headers(&self, row: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> + Clone {
        self.0[row].headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

fn rows(count: usize, value_bytes: usize) -> Vec<Row> {
    (0..count)
        .map(|i| Row {
            timestamp: 1_700_000_000_000 + i as i64,
            key: (i % 3 != 0).then(|| format!("key-{i}").into_bytes()),
            value: (i % 5 != 4).then(|| vec![i as u8; value_bytes]),
            headers: (0..i % 3).map(|h| (format!("h{h}"), (h == 0).then(|| vec![7; 3]))).collect(),
        })
        .collect()
}

fn decoded(bytes: &[u8]) -> Vec<Row> {
    let mut out = Vec::new();
    for batch in batches(bytes) {
        let batch = batch.expect("a whole batch");
        batch.verify_crc().expect("its CRC");
        for (i, record) in batch.records().expect("uncompressed").enumerate() {
            let record = record.expect("a whole record");
            assert_eq!(record.offset, batch.base_offset() + i as i64);
            out.push(Row {
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers
                    .map(|h| (String::from_utf8_lossy(h.key).into_owned(), h.value.map(<[u8]>::to_vec)))
                    .collect(),
            });
        }
    }
    out
}

fn theirs(rows: &[Row]) -> Vec<Record> {
    rows.iter()
        .enumerate()
        .map(|(i, row)| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: -1,
            producer_epoch: -1,
            timestamp_type: TimestampType::Creation,
            offset: i as i64,
            sequence: i as i32 - 1,
            timestamp: row.timestamp,
            key: row.key.clone().map(Bytes::from),
            value: row.value.clone().map(Bytes::from),
            headers: row
                .headers
                .iter()
                .map(|(name, value)| (StrBytes::from_string(name.clone()), value.clone().map(Bytes::from)))
                .collect(),
        })
        .collect()
}

fn encoded_by_them(rows: &[Row], compression: TheirCompression) -> Bytes {
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression };
    let pass = |input: &mut BytesMut, out: &mut BytesMut, _: TheirCompression| {
        out.extend_from_slice(input);
        Ok(())
    };
    RecordBatchEncoder::encode_with_custom_compression(&mut out, &theirs(rows), &options, Some(pass))
        .expect("kafka-protocol encodes");
    out.freeze()
}

#[test]
fn our_bytes_are_those_of_kafka_protocol() {
    for count in [1, 2, 7, 100] {
        let rows = rows(count, 100);
        let ours = encode(&Rows(&rows), 1 << 20).expect("it fits");
        assert_eq!(ours, encoded_by_them(&rows, TheirCompression::None), "{count} records");
    }
}

#[test]
fn kafka_protocol_reads_what_we_wrote_and_we_read_what_it_wrote() {
    let rows = rows(50, 30);
    let mut ours = encode(&Rows(&rows), 1 << 20).expect("it fits");
    assert_eq!(RecordBatchDecoder::decode(&mut ours).expect("it reads").records, theirs(&rows));
    assert_eq!(format!("{:?}", decoded(&encoded_by_them(&rows, TheirCompression::None))), format!("{rows:?}"));
}

#[test]
fn one_record_has_these_golden_bytes() {
    let mut builder = RecordBatchBuilder::new(1000);
    let header = [("h", None)];
    builder.push_with_headers(1_000, Some(b"k"), Some(b"v"), header.into_iter()).expect("it fits");
    let hex: String = builder.finish().iter().map(|byte| format!("{byte:02x}")).collect();
    expect_test::expect!["00000000000000000000003dffffffff025786924900000000000000000000000003e800000000000003e8ffffffffffffffffffffffffffff0000000116000000026b027602026801"]
    .assert_eq(&hex);
}

#[test]
fn batches_are_cut_at_the_limit_and_begin_at_offset_0() {
    let rows = rows(100, 100);
    let bytes = encode(&Rows(&rows), 1000).expect("each record fits");
    let sizes: Vec<_> = batches(&bytes).map(|batch| batch.expect("whole")).collect();
    assert!(sizes.len() > 10);
    assert!(sizes.iter().all(|batch| batch.size_bytes() <= 1000 && batch.base_offset() == 0));
    assert_eq!(decoded(&bytes).len(), 100);
}

#[test]
fn a_record_at_the_limit_passes_and_one_past_it_is_refused_without_harm() {
    let mut builder = RecordBatchBuilder::new(1000);
    builder.push(0, None, Some(b"before")).expect("small");
    let fits = vec![0; 1000 - BATCH_OVERHEAD_BYTES - 2 - 4 - 2 - 1];
    builder.push(0, None, Some(&fits)).expect("exactly the limit");
    let past = vec![0; fits.len() + 1];
    assert_eq!(
        builder.push(0, None, Some(&past)),
        Err(EncodeError::RecordTooLarge { size_bytes: 1001, limit_bytes: 1000 })
    );
    builder.push(0, None, Some(b"after")).expect("small");
    let bytes = builder.finish();
    assert!(batches(&bytes).any(|batch| batch.expect("whole").size_bytes() == 1000));
    assert_eq!(decoded(&bytes).len(), 3);
}

#[test]
fn an_empty_batch_stands_for_its_offsets() {
    let mut bytes = empty_batch(100, 250);
    let batch = RecordBatchRef::parse(&bytes).expect("whole");
    batch.verify_crc().expect("a valid CRC");
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.count()), (100, 249, 0));
    assert_eq!(batch.records().expect("plain").count(), 0);
    assert!(RecordBatchDecoder::decode(&mut bytes).expect("Kafka's readers take it").records.is_empty());
}

#[test]
fn a_compressed_batch_is_recognised_and_named() {
    for (theirs, ours) in [
        (TheirCompression::Gzip, Compression::Gzip),
        (TheirCompression::Snappy, Compression::Snappy),
        (TheirCompression::Lz4, Compression::Lz4),
        (TheirCompression::Zstd, Compression::Zstd),
    ] {
        let bytes = encoded_by_them(&rows(3, 10), theirs);
        let batch = RecordBatchRef::parse(&bytes).expect("its header reads");
        batch.verify_crc().expect("its CRC covers the compressed bytes");
        assert_eq!((batch.count(), batch.last_offset()), (3, 2));
        assert_eq!(batch.records().err(), Some(BatchError::Compressed(ours)));
    }
}

/// As their clients write each codec.
fn compressed_by(codec: TheirCompression, plain: &[u8]) -> Vec<u8> {
    match codec {
        TheirCompression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(plain).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        }
        TheirCompression::Snappy => {
            // Blocks of 100 bytes, so that there are several.
            let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            for block in plain.chunks(100) {
                let block = snap::raw::Encoder::new().compress_vec(block).expect("short");
                framed.extend_from_slice(&u32::try_from(block.len()).expect("short").to_be_bytes());
                framed.extend_from_slice(&block);
            }
            framed
        }
        TheirCompression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(plain).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        }
        TheirCompression::Zstd => zstd::encode_all(plain, 3).expect("memory takes it"),
        TheirCompression::None => plain.to_vec(),
    }
}

fn compressed(rows: &[Row], codec: TheirCompression) -> Bytes {
    let mut out = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: codec };
    let compress = |input: &mut BytesMut, out: &mut BytesMut, codec: TheirCompression| {
        out.extend_from_slice(&compressed_by(codec, input));
        Ok(())
    };
    RecordBatchEncoder::encode_with_custom_compression(&mut out, &theirs(rows), &options, Some(compress))
        .expect("kafka-protocol encodes");
    out.freeze()
}

const CODECS: [TheirCompression; 4] =
    [TheirCompression::Gzip, TheirCompression::Snappy, TheirCompression::Lz4, TheirCompression::Zstd];

#[test]
fn an_inflated_batch_is_the_batch_that_was_never_compressed() {
    for codec in CODECS {
        let rows = rows(50, 100);
        let plain = encoded_by_them(&rows, TheirCompression::None);
        assert_eq!(*inflated(&compressed(&rows, codec)).expect("it inflates"), plain, "{codec:?}");
    }
    let raw_snappy = {
        let mut batch = compressed(&rows(50, 100), TheirCompression::None).to_vec();
        let block = snap::raw::Encoder::new().compress_vec(&batch[BATCH_OVERHEAD_BYTES..]).expect("short");
        batch.truncate(BATCH_OVERHEAD_BYTES);
        batch.extend_from_slice(&block);
        batch[ATTRIBUTES_AT + 1] |= 2;
        let length = i32::try_from(batch.len() - LOG_OVERHEAD_BYTES).expect("short");
        put(&mut batch, LENGTH_AT, length.to_be_bytes());
        batch
    };
    let plain = encoded_by_them(&rows(50, 100), TheirCompression::None);
    assert_eq!(*inflated(&raw_snappy).expect("it inflates"), plain, "snappy without framing");
}

#[test]
fn batches_between_compressed_ones_keep_their_place() {
    let plain = encoded_by_them(&rows(3, 10), TheirCompression::None);
    let mixed = [
        compressed(&rows(3, 10), TheirCompression::Zstd),
        plain.clone(),
        compressed(&rows(3, 10), TheirCompression::Lz4),
    ];
    assert_eq!(*inflated(&mixed.concat()).expect("they inflate"), *plain.repeat(3));
    assert!(matches!(inflated(&plain), Ok(Cow::Borrowed(_))), "what is not compressed is not copied");
}

#[test]
fn a_decompression_bomb_ends_at_the_limit() {
    for codec in CODECS {
        let bomb = compressed_by(codec, &vec![0; INFLATED_BYTES_MAX + 1]);
        let mut batch = compressed(&rows(3, 10), codec)[..BATCH_OVERHEAD_BYTES].to_vec();
        batch.extend_from_slice(&bomb);
        let length = i32::try_from(batch.len() - LOG_OVERHEAD_BYTES).expect("a bomb is small");
        put(&mut batch, LENGTH_AT, length.to_be_bytes());
        assert!(matches!(inflated(&batch), Err(BatchError::TooLarge { .. })), "{codec:?}");
    }
}

#[test]
fn many_small_batches_that_inflate_to_much_do_not_all_inflate_at_once() {
    let batch = compressed(&rows(1, 1 << 20), TheirCompression::Zstd);
    let plain = encoded_by_them(&rows(1, 1 << 20), TheirCompression::None);
    let inflated = inflated(&batch.repeat(60)).expect("they inflate").into_owned();
    let count = INFLATED_TOGETHER_BYTES.div_ceil(plain.len());
    assert_eq!(inflated, plain.repeat(count), "whole batches, and no more than reach the limit");
}

proptest! {
    #[test]
    fn damaged_compressed_batches_never_panic(codec in 0..4usize, at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut batch = compressed(&rows(20, 50), CODECS[codec]).to_vec();
        let at = at.index(batch.len());
        batch[at] ^= flip;
        if let Ok(plain) = inflated(&batch) {
            for batch in batches(&plain).flatten() {
                let _ = batch.records().map(Iterator::count);
            }
        }
    }
}

#[test]
fn control_and_transactional_batches_are_recognised() {
    let mut bytes = encode(&Rows(&rows(1, 10)), 1000).expect("it fits").to_vec();
    assert!(!RecordBatchRef::parse(&bytes).expect("whole").is_control());
    bytes[ATTRIBUTES_AT + 1] |= 0x30;
    let batch = RecordBatchRef::parse(&bytes).expect("whole");
    assert!(batch.is_control() && batch.is_transactional());
}

#[test]
fn a_wrong_magic_length_count_or_checksum_is_named() {
    let good = encode(&Rows(&rows(3, 10)), 1000).expect("it fits").to_vec();
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    let parse = |bytes: &[u8]| RecordBatchRef::parse(bytes).map(|_| ()).expect_err("it is bad");
    assert_eq!(parse(&with(MAGIC_AT, &[1])), BatchError::UnsupportedMagic { magic: 1 });
    assert_eq!(parse(&with(LENGTH_AT, &[0xff; 4])), BatchError::BadLength { length: -1 });
    assert!(matches!(parse(&with(LENGTH_AT, &i32::MAX.to_be_bytes())), BatchError::Truncated { .. }));
    assert!(matches!(parse(&with(COUNT_AT, &i32::MAX.to_be_bytes())), BatchError::BadCount { .. }));
    assert!(matches!(parse(&with(LAST_OFFSET_DELTA_AT, &[0; 4])), BatchError::BadCount { .. }));
    assert!(matches!(parse(&good[..good.len() - 1]), BatchError::Truncated { .. }));
    let flipped = with(BATCH_OVERHEAD_BYTES + 9, &[0x55]);
    let batch = RecordBatchRef::parse(&flipped).expect("the header is whole");
    assert!(matches!(batch.verify_crc(), Err(BatchError::CrcMismatch { .. })));
}

#[test]
fn offset_and_epoch_can_be_set_under_the_same_checksum() {
    let mut bytes = encode(&Rows(&rows(3, 10)), 1000).expect("it fits").to_vec();
    set_base_offset(&mut bytes, 41);
    set_leader_epoch(&mut bytes, 7);
    let batch = RecordBatchRef::parse(&bytes).expect("whole");
    batch.verify_crc().expect("neither is in the CRC");
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.leader_epoch()), (41, 43, 7));
}

#[test]
fn retained_records_keep_their_offsets_and_the_batch_its_range() {
    let mut bytes = encode(&Rows(&rows(10, 10)), 10_000).expect("it fits").to_vec();
    set_base_offset(&mut bytes, 100);
    let batch = RecordBatchRef::parse(&bytes).expect("whole");
    let mut out = Vec::new();
    assert_eq!(retain_records(&batch, &mut out, |record| record.offset % 4 == 0), Ok(3));
    let kept = RecordBatchRef::parse(&out).expect("whole");
    kept.verify_crc().expect("a new CRC");
    let offsets: Vec<_> = kept.records().expect("plain").map(|record| record.expect("whole").offset).collect();
    assert_eq!((offsets, kept.last_offset()), (vec![100, 104, 108], 109));
    assert_eq!(retain_records(&batch, &mut out, |_| false), Ok(0));
}

const OUR_CODECS: [Compression; 4] = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

#[test]
fn what_we_compress_inflates_to_what_it_was_at_the_same_offsets() {
    // More than a block of snappy's and of LZ4's.
    let mut plain = encode(&Rows(&rows(2_000, 100)), 1 << 20).expect("it fits").to_vec();
    set_base_offset(&mut plain, 41);
    for codec in OUR_CODECS {
        let small = super::compressed(&plain, codec).expect("whole batches");
        let batch = RecordBatchRef::parse(&small).expect("whole");
        batch.verify_crc().expect("a new CRC");
        assert_eq!((batch.compression(), batch.last_offset()), (Ok(codec), 2_040));
        assert!(small.len() < plain.len() / 2, "{codec}");
        assert_eq!(*inflated(&small).expect("it inflates"), plain, "{codec}");
    }
}

#[test]
fn records_retained_of_a_compressed_batch_are_compressed_with_its_codec() {
    let plain = encode(&Rows(&rows(10, 10)), 10_000).expect("it fits");
    for codec in OUR_CODECS {
        let mut bytes = super::compressed(&plain, codec).expect("whole batches");
        set_base_offset(&mut bytes, 100);
        let batch = RecordBatchRef::parse(&bytes).expect("whole");
        let mut out = Vec::new();
        assert_eq!(retain_records(&batch, &mut out, |record| record.offset % 4 == 0), Ok(3));
        let kept = RecordBatchRef::parse(&out).expect("whole");
        kept.verify_crc().expect("a new CRC");
        assert_eq!((kept.compression(), kept.last_offset()), (Ok(codec), 109));
        let inflated = inflated(&out).expect("it inflates");
        let kept = RecordBatchRef::parse(&inflated).expect("whole");
        let offsets: Vec<_> = kept.records().expect("plain").map(|record| record.expect("whole").offset).collect();
        assert_eq!(offsets, [100, 104, 108]);
        out.clear();
        assert_eq!(retain_records(&batch, &mut out, |_| true), Ok(10));
        assert_eq!(out, bytes, "what stays as it was is not compressed again");
        out.clear();
        assert_eq!((retain_records(&batch, &mut out, |_| false), out.len()), (Ok(0), 0));
    }
}

fn arbitrary_row() -> impl Strategy<Value = Row> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let headers = proptest::collection::vec(("[a-z]{0,5}", bytes()), 0..3);
    (any::<i64>(), bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| Row {
        timestamp: timestamp >> 8,
        key,
        value,
        headers,
    })
}

proptest! {
    #[test]
    fn rows_come_back_as_they_went_in(
        rows in proptest::collection::vec(arbitrary_row(), 0..60), limit in 2_000usize..20_000
    ) {
        let bytes = encode(&Rows(&rows), limit).expect("each row fits 2,000 bytes");
        prop_assert_eq!(format!("{:?}", decoded(&bytes)), format!("{rows:?}"));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::record_batches(&bytes);
    }

    #[test]
    fn flipped_bytes_never_panic_and_never_pass_the_checksum(
        count in 1usize..20, flips in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6), cut: bool
    ) {
        let good = encode(&Rows(&rows(count, 20)), 400).expect("it fits").to_vec();
        let mut bytes = good.clone();
        for (index, mask) in &flips {
            bytes[index.index(good.len())] ^= mask;
        }
        if cut {
            bytes.truncate(flips[0].0.index(good.len()));
        }
        crate::fuzz::record_batches(&bytes);
        // Whatever passes as a batch holds, from the attributes on, bytes that were written as such.
        for batch in batches(&bytes).flatten().filter(|batch| batch.verify_crc().is_ok()) {
            prop_assert!(good.windows(batch.size_bytes() - CRC_AT).any(|w| w == &batch.bytes()[CRC_AT..]));
        }
    }
}
