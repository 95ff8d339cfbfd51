import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/** `{class, config, records}` to `{config_error}` or `{records}`, each null (dropped), `{error}` or the record. */
final class Transforms {
    private static final SimpleHeaderConverter HEADERS = new SimpleHeaderConverter();

    @SuppressWarnings({"unchecked", "rawtypes"})
    static void run(JsonNode request, ObjectNode answer) throws Exception {
        Class<?> kind = Class.forName("org.apache.kafka.connect.transforms." + request.get("class").asText());
        Transformation transformation = (Transformation) kind.getDeclaredConstructor().newInstance();
        try {
            transformation.configure(Data.map(request.get("config")));
        } catch (Exception error) {
            answer.put("config_error", error.toString());
            return;
        }
        ArrayNode results = answer.putArray("records");
        for (JsonNode input : request.get("records")) {
            try {
                ConnectRecord record = transformation.apply(record(input));
                if (record == null) {
                    results.addNull();
                } else {
                    results.add(written(record));
                }
            } catch (Exception error) {
                results.addObject().put("error", error.toString());
            }
        }
        transformation.close();
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static void predicate(JsonNode request, ObjectNode answer) throws Exception {
        Class<?> kind = Class.forName("org.apache.kafka.connect.transforms.predicates." + request.get("class").asText());
        Predicate predicate = (Predicate) kind.getDeclaredConstructor().newInstance();
        try {
            predicate.configure(Data.map(request.get("config")));
        } catch (Exception error) {
            answer.put("config_error", error.toString());
            return;
        }
        ArrayNode results = answer.putArray("records");
        for (JsonNode input : request.get("records")) {
            results.add(predicate.test(record(input)));
        }
        predicate.close();
    }

    private static ConnectRecord<?> record(JsonNode input) {
        SchemaAndValue key = Data.read(input.get("key"));
        SchemaAndValue value = Data.read(input.get("value"));
        Integer partition = input.get("partition").isNull() ? null : input.get("partition").intValue();
        Long timestamp = input.get("timestamp").isNull() ? null : input.get("timestamp").longValue();
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode header : input.get("headers")) {
            JsonNode text = header.get(1);
            SchemaAndValue parsed = text.isNull()
                ? SchemaAndValue.NULL
                : HEADERS.toConnectHeader("t", "h", text.asText().getBytes(StandardCharsets.UTF_8));
            headers.add(header.get(0).asText(), parsed);
        }
        String topic = input.get("topic").asText();
        if (input.get("offset").isNull()) {
            return new SourceRecord(null, null, topic, partition, key.schema(), key.value(), value.schema(), value.value(),
                timestamp, headers);
        }
        return new SinkRecord(topic, partition, key.schema(), key.value(), value.schema(), value.value(),
            input.get("offset").longValue(), timestamp, TimestampType.CREATE_TIME, headers);
    }

    private static ObjectNode written(ConnectRecord<?> record) {
        ObjectNode out = Data.write(null, null);
        out.removeAll();
        out.put("topic", record.topic());
        out.put("partition", record.kafkaPartition());
        out.put("timestamp", record.timestamp());
        out.set("key", Data.write(record.keySchema(), record.key()));
        out.set("value", Data.write(record.valueSchema(), record.value()));
        ArrayNode headers = out.putArray("headers");
        for (Header header : record.headers()) {
            byte[] bytes = HEADERS.fromConnectHeader("t", header.key(), header.schema(), header.value());
            ObjectNode written = headers.addObject();
            written.put("name", header.key());
            written.put("text", bytes == null ? null : new String(bytes, StandardCharsets.UTF_8));
            try {
                written.set("schema", Data.schema(header.schema()));
            } catch (RuntimeException noSchemaAsJson) {
                written.putNull("schema");
            }
        }
        return out;
    }

    private Transforms() {
    }
}
