//! The formats, through the resources `output` and `writer`.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray,
    StructArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sluice_capability::bindings::errors::Error;
use sluice_capability::bindings::operations::HostOperation as _;
use sluice_capability::bindings::writers::HostWriter as _;
use sluice_capability::state::ByteSink;
use sluice_capability::{GuestIdentity, GuestState};
use sluice_data::ConnectBatch;
use std::sync::{Arc, Mutex};
use wasmtime::component::Resource;

/// Keeps what was finished where the test can see it.
#[derive(Clone, Default)]
struct Kept {
    buffer: Vec<u8>,
    finished: Arc<Mutex<Option<Vec<u8>>>>,
}

#[async_trait::async_trait]
impl ByteSink for Kept {
    async fn write(&mut self, bytes: bytes::Bytes) -> Result<(), Error> {
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }
    async fn finish(self: Box<Self>) -> Result<String, Error> {
        let answer = format!("{{\"bytes\":{}}}", self.buffer.len());
        *self.finished.lock().unwrap() = Some(self.buffer);
        Ok(answer)
    }
    fn size_bytes(&self) -> u64 {
        self.buffer.len() as u64
    }
}

async fn encode(format: &str, options: &[(&str, &str)], batches: &[ConnectBatch]) -> Result<Vec<u8>, Error> {
    let mut state = GuestState::new(GuestIdentity::default(), Box::new(()));
    let kept = Kept::default();
    let output = state.push_output(Box::new(kept.clone())).unwrap();
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let writer = state.open(format.into(), options, output).await.unwrap()?;
    for batch in batches {
        let handle = state.push_batch(batch.clone()).unwrap();
        sluice_capability::bindings::writers::HostWriter::write(&mut state, Resource::new_borrow(writer.rep()), handle)
            .await
            .unwrap()?;
    }
    sluice_capability::bindings::writers::HostWriter::finish(&mut state, writer).await.unwrap()?;
    let bytes = kept.finished.lock().unwrap().take();
    Ok(bytes.expect("finish was called"))
}

#[track_caller]
fn code<T>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(_) => panic!("must be refused"),
        Err(Error::Rejected(details) | Error::Retriable(details) | Error::Fatal(details)) => details.code,
    }
}

fn numbers(range: std::ops::Range<i64>) -> ConnectBatch {
    let fields = Fields::from(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8, true)]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(range.clone())),
        Arc::new(StringArray::from_iter(range.clone().map(|id| (id % 7 != 0).then(|| format!("name {}", id % 1000))))),
    ];
    let field = Field::new("value", DataType::Struct(fields.clone()), false);
    let offsets = Int64Array::from_iter_values(range);
    let values = StructArray::new(fields, columns, None);
    ConnectBatch::builder("t", &field, Arc::new(values)).offsets(offsets).build().unwrap()
}

fn every_type() -> ConnectBatch {
    let item = Arc::new(Field::new("item", DataType::Int64, true));
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
    let fields = Fields::from(vec![
        Field::new("text", DataType::Utf8, false),
        Field::new("raw", DataType::Binary, false),
        Field::new("price", DataType::Decimal128(9, 2), false),
        Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false),
        Field::new("ratio", DataType::Float64, false),
        Field::new("ok", DataType::Boolean, true),
        Field::new("list", DataType::List(item), true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a\"\\\n\u{1}ö", ""])),
        Arc::new(BinaryArray::from(vec![&b"\x01\x02"[..], b""])),
        Arc::new(Decimal128Array::from(vec![1250, -5]).with_precision_and_scale(9, 2).unwrap()),
        Arc::new(TimestampMillisecondArray::from(vec![1000, -1]).with_timezone("UTC")),
        Arc::new(Float64Array::from(vec![0.5, f64::NAN])),
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        Arc::new(list),
    ];
    let field = Field::new("value", DataType::Struct(fields.clone()), false);
    ConnectBatch::builder("t", &field, Arc::new(StructArray::new(fields, columns, None))).build().unwrap()
}

#[tokio::test]
async fn json_lines_look_as_json_converter_writes_them() {
    let bytes = encode("json", &[], &[every_type()]).await.unwrap();
    let expected = concat!(
        r#"{"text":"a\"\\\n\u0001ö","raw":"AQI=","price":"BOI=","at":1000,"ratio":0.5,"ok":true,"list":[1,null]}"#,
        "\n",
        r#"{"text":"","raw":"","price":"+w==","at":-1,"ratio":"NaN","ok":null,"list":null}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    let numeric = encode("json", &[("decimal-format", "NUMERIC")], &[every_type()]).await.unwrap();
    assert!(String::from_utf8(numeric).unwrap().contains(r#""price":12.50,"#));
}

#[tokio::test]
async fn records_of_several_batches_ascend_by_their_row_ids_when_asked_for() {
    let texts = |rows: &[i64]| {
        let values = StringArray::from_iter_values(rows.iter().map(|row| format!("r{row}")));
        let field = Field::new("value", DataType::Utf8, false);
        let offsets = Int64Array::from_iter_values(rows.iter().copied());
        ConnectBatch::builder("t", &field, Arc::new(values)).offsets(offsets).build().unwrap()
    };
    let batches = [texts(&[0, 2, 5]), texts(&[1, 3, 4])];
    let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace('\n', " ");
    let ordered = encode("text", &[("order", "row-id")], &batches).await.unwrap();
    assert_eq!(lines(ordered), "r0 r1 r2 r3 r4 r5 ");
    assert_eq!(lines(encode("text", &[], &batches).await.unwrap()), "r0 r2 r5 r1 r3 r4 ");
    assert_eq!(code(encode("text", &[("order", "name")], &batches).await), "writer.option");
}

#[tokio::test]
async fn schemaless_json_passes_on_one_line() {
    let field = sluice_data::schema::schemaless_json_field("value");
    let values = StringArray::from(vec![Some("{\n  \"a\": \"x\\ny\"\n}"), None, Some("7")]);
    let batch = ConnectBatch::builder("t", &field, Arc::new(values)).build().unwrap();
    let bytes = encode("json", &[], &[batch]).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), "{   \"a\": \"x\\ny\" }\nnull\n7\n");
}

#[tokio::test]
async fn text_lines_look_as_java_prints_them() {
    let bytes = encode("text", &[], &[numbers(6..8)]).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), "Struct{id=6,name=name 6}\nStruct{id=7}\n");
    let plain = StringArray::from(vec![Some("a line"), None]);
    let batch =
        ConnectBatch::builder("t", &Field::new("value", DataType::Utf8, true), Arc::new(plain)).build().unwrap();
    assert_eq!(encode("text", &[], &[batch]).await.unwrap(), b"a line\nnull\n");
}

#[tokio::test]
async fn raw_bytes_are_separated() {
    let values = BinaryArray::from(vec![&b"\xff\x00"[..], b"b"]);
    let batch =
        ConnectBatch::builder("t", &Field::new("value", DataType::Binary, false), Arc::new(values)).build().unwrap();
    assert_eq!(encode("bytes", &[], std::slice::from_ref(&batch)).await.unwrap(), b"\xff\x00\nb\n");
    assert_eq!(encode("bytes", &[("separator", "||")], &[batch]).await.unwrap(), b"\xff\x00||b||");
    assert_eq!(code(encode("bytes", &[], &[numbers(0..1)]).await), "writer.type");
}

#[tokio::test]
async fn parquet_holds_every_row_and_column() {
    let bytes = encode("parquet", &[("metadata-columns", "offset")], &[numbers(0..20_000)]).await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let schema = batches[0].schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "_offset"]);
    let ids = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    assert!(ids.eq(0..20_000));
    let nulls: usize = batches.iter().map(|batch| batch.column(1).null_count()).sum();
    assert_eq!(nulls, (0..20_000).filter(|id| id % 7 == 0).count());
}

#[tokio::test]
async fn parquet_bytes_do_not_depend_on_how_the_rows_came() {
    for codec in ["snappy", "zstd", "none"] {
        let options = [("codec", codec), ("row-group-rows", "9000")];
        let whole = encode("parquet", &options, &[numbers(0..30_000)]).await.unwrap();
        let cuts = [0, 1, 4000, 12_345, 29_999, 30_000];
        let pieces: Vec<_> = cuts.windows(2).map(|cut| numbers(cut[0]..cut[1])).collect();
        assert!(encode("parquet", &options, &pieces).await.unwrap() == whole, "{codec}");
    }
}

#[tokio::test]
async fn parquet_row_groups_are_closed_by_their_size() {
    let bytes = encode("parquet", &[("row-group-bytes", "100000")], &[numbers(0..50_000)]).await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    assert!(reader.metadata().num_row_groups() > 2, "{}", reader.metadata().num_row_groups());
}

#[tokio::test]
async fn parquet_takes_every_type_of_the_record_model() {
    let bytes = encode("parquet", &[], &[every_type()]).await.unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
    let rows: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(rows[0].column_by_name("price").unwrap().data_type(), &DataType::Decimal128(9, 2));
    assert_eq!(rows[0].column_by_name("list").unwrap().as_list::<i32>().value(0).len(), 2);
}

#[tokio::test]
async fn what_a_format_cannot_hold_is_refused() {
    assert_eq!(code(encode("avro", &[], &[]).await), "writer.format");
    assert_eq!(code(encode("json", &[("codec", "zstd")], &[]).await), "writer.option");
    assert_eq!(code(encode("parquet", &[("codec", "brotli")], &[]).await), "writer.option");
    assert_eq!(code(encode("parquet", &[("row-group-rows", "0")], &[]).await), "writer.option");
    assert_eq!(code(encode("parquet", &[("metadata-columns", "topic")], &[]).await), "writer.option");
    assert_eq!(code(encode("json", &[("decimal-format", "hex")], &[]).await), "writer.option");
    assert_eq!(code(encode("parquet", &[], &[]).await), "writer.empty");
    assert_eq!(code(encode("parquet", &[], &[numbers(0..1), every_type()]).await), "writer.schema-changed");
    let fields = Fields::from(vec![Field::new("id", DataType::Int64, true)]);
    let none = StructArray::new_null(fields.clone(), 1);
    let field = Field::new("value", DataType::Struct(fields), true);
    let batch = ConnectBatch::builder("t", &field, Arc::new(none)).build().unwrap();
    assert_eq!(code(encode("parquet", &[], &[batch]).await), "writer.null-value");
}

#[tokio::test]
async fn memory_outputs_are_bounded_and_read_back() {
    let mut state = GuestState::new(GuestIdentity::default(), Box::new(()));
    let output = state.memory().await.unwrap();
    let borrow = |output: &Resource<_>| Resource::new_borrow(output.rep());
    use sluice_capability::bindings::writers::HostOutput;
    HostOutput::write(&mut state, borrow(&output), b"abc".to_vec()).await.unwrap().unwrap();
    assert_eq!(HostOutput::size_bytes(&mut state, borrow(&output)).await.unwrap(), 3);
    let too_much = HostOutput::write(&mut state, borrow(&output), vec![0; 64 << 20]).await.unwrap();
    assert_eq!(code(too_much), "output.too-large");
    assert_eq!(state.into_bytes(output).await.unwrap().unwrap(), b"abc");
}

#[tokio::test]
async fn finishing_in_the_background_answers_once_it_is_done() {
    let mut state = GuestState::new(GuestIdentity::default(), Box::new(()));
    let kept = Kept::default();
    let output = state.push_output(Box::new(kept.clone())).unwrap();
    let writer = state.open("json".into(), vec![], output).await.unwrap().unwrap();
    let handle = state.push_batch(numbers(0..2)).unwrap();
    use sluice_capability::bindings::writers::HostWriter;
    HostWriter::write(&mut state, Resource::new_borrow(writer.rep()), handle).await.unwrap().unwrap();
    let operation = state.start_finish(writer).await.unwrap();
    let answer = state.wait(Resource::new_borrow(operation.rep())).await.unwrap().unwrap();
    assert_eq!(answer, format!("{{\"bytes\":{}}}", kept.finished.lock().unwrap().as_ref().unwrap().len()));
    let again = state.try_result(Resource::new_borrow(operation.rep())).await.unwrap();
    assert_eq!(again.unwrap().unwrap(), answer);
}

#[tokio::test]
async fn dropping_a_writer_discards_what_it_wrote() {
    let mut state = GuestState::new(GuestIdentity::default(), Box::new(()));
    let kept = Kept::default();
    let output = state.push_output(Box::new(kept.clone())).unwrap();
    let writer = state.open("json".into(), vec![], output).await.unwrap().unwrap();
    sluice_capability::bindings::writers::HostWriter::drop(&mut state, writer).await.unwrap();
    assert!(kept.finished.lock().unwrap().is_none());
}
