import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Kafka's own client library. README.md beside the crate says what each command means. */
public final class Client {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HexFormat HEX = HexFormat.of();
    static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final Map<String, Class<?>> ASSIGNORS =
        Map.of("range", RangeAssignor.class, "cooperative-sticky", CooperativeStickyAssignor.class);
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private final String broker;
    private final Admin admin;
    private final Map<String, Member> members = new HashMap<>();

    private Client(String broker) {
        this.broker = broker;
        this.admin = Admin.create(settings());
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client(arguments[0]);
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode command = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            answer.set("id", command.get("id"));
            try {
                answer.set("ok", client.answer(command.get("op").asText(), command));
            } catch (Exception error) {
                error.printStackTrace();
                answer.put("error", error.toString());
            }
            say(answer);
        }
        System.exit(0);
    }

    /** Writes one line; members' threads and the main thread take turns. */
    private static void say(ObjectNode line) {
        String text = line.toString();
        synchronized (OUT) {
            OUT.println(text);
            OUT.flush();
        }
    }

    private JsonNode answer(String op, JsonNode command) throws Exception {
        ObjectNode ok = JSON.createObjectNode();
        switch (op) {
            case "info" -> info(ok);
            case "create_topic" -> {
                NewTopic topic = new NewTopic(text(command, "topic"), command.get("partitions").asInt(), (short) 1);
                admin.createTopics(List.of(topic)).all().get();
            }
            case "list_topics" -> {
                ArrayNode topics = ok.putArray("topics");
                admin.listTopics().names().get().forEach(topics::add);
            }
            case "delete_topic" -> admin.deleteTopics(List.of(text(command, "topic"))).all().get();
            case "produce" -> produce(command);
            case "transaction" -> Transactions.write(settings(), command);
            case "fence" -> Transactions.fence(settings(), command, ok);
            case "transform" -> Transactions.transform(settings(), command, ok);
            case "consume" -> consume(command, ok.putArray("records"));
            case "offset_for_time" -> offsetForTime(command, ok);
            case "join" -> join(command);
            case "leave" -> members.remove(text(command, "member")).leave();
            case "committed" -> {
                ObjectNode offsets = ok.putObject("offsets");
                admin.listConsumerGroupOffsets(text(command, "group")).partitionsToOffsetAndMetadata().get()
                    .forEach((place, at) -> offsets.put(Integer.toString(place.partition()), at.offset()));
            }
            default -> throw new IllegalArgumentException("unknown command " + op);
        }
        return ok;
    }

    private static void info(ObjectNode ok) {
        ok.put("version", AppInfoParser.getVersion());
        ArrayNode codecs = ok.putArray("codecs");
        List.of("none", "gzip", "snappy", "lz4", "zstd").forEach(codecs::add);
        ok.put("idempotent", true).put("transactions", true);
        ok.put("static_members", true).putArray("strategies").add("range").add("cooperative-sticky");
        ok.putArray("cannot");
    }

    private void produce(JsonNode command) throws Exception {
        Properties settings = settings();
        settings.put("compression.type", text(command, "codec"));
        settings.put("enable.idempotence", command.get("idempotent").asBoolean());
        try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
            write(producer, command);
        }
    }

    static KafkaProducer<byte[], byte[]> producer(Properties settings) {
        settings.put("linger.ms", 20);
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static void write(KafkaProducer<byte[], byte[]> producer, JsonNode command) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode record : command.get("records")) {
            List<Header> headers = new ArrayList<>();
            record.get("headers").forEach(it -> headers.add(new RecordHeader(it.get(0).asText(), bytes(it.get(1)))));
            sent.add(producer.send(new ProducerRecord<>(
                text(command, "topic"), command.get("partition").asInt(), record.get("timestamp").asLong(),
                bytes(record.get("key")), bytes(record.get("value")), headers)));
        }
        producer.flush();
        for (Future<RecordMetadata> one : sent) {
            one.get();
        }
    }

    private void consume(JsonNode command, ArrayNode records) {
        Properties settings = settings();
        settings.put("isolation.level", command.get("isolation").asText());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
            TopicPartition place = place(command);
            consumer.assign(List.of(place));
            consumer.seek(place, command.get("offset").asLong());
            int count = command.get("count").asInt();
            while (records.size() < count) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(TIMEOUT)) {
                    if (records.size() < count) {
                        records.add(tell(record));
                    }
                }
            }
        }
    }

    private static ObjectNode tell(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode told = JSON.createObjectNode();
        told.put("offset", record.offset()).put("key", hex(record.key())).put("value", hex(record.value()));
        told.put("timestamp", record.timestamp());
        ArrayNode headers = told.putArray("headers");
        record.headers().forEach(header -> headers.addArray().add(header.key()).add(hex(header.value())));
        return told;
    }

    private void offsetForTime(JsonNode command, ObjectNode ok) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings())) {
            TopicPartition place = place(command);
            ok.put("offset", consumer.offsetsForTimes(Map.of(place, command.get("timestamp").asLong())).get(place).offset());
        }
    }

    private void join(JsonNode command) {
        Properties settings = settings();
        settings.put("group.id", text(command, "group"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("session.timeout.ms", 10000);
        settings.put("heartbeat.interval.ms", 200);
        settings.put("partition.assignment.strategy", ASSIGNORS.get(text(command, "strategy")).getName());
        if (command.has("instance")) {
            settings.put("group.instance.id", text(command, "instance"));
        }
        Member member = new Member(text(command, "member"), text(command, "topic"), consumer(settings));
        members.put(member.name, member);
        member.start();
    }

    /** A consumer in a group, on a thread of its own. A record is told after its commit. */
    private static final class Member extends Thread implements ConsumerRebalanceListener {
        private final String name;
        private final String topic;
        private final KafkaConsumer<byte[], byte[]> consumer;
        private volatile boolean leaves;

        private Member(String name, String topic, KafkaConsumer<byte[], byte[]> consumer) {
            this.name = name;
            this.topic = topic;
            this.consumer = consumer;
            setDaemon(true);
        }

        private void leave() throws InterruptedException {
            leaves = true;
            join();
        }

        @Override
        public void run() {
            try (consumer) {
                consumer.subscribe(List.of(topic), this);
                while (!leaves) {
                    step(consumer.poll(Duration.ofMillis(100)));
                }
            } catch (Exception error) {
                error.printStackTrace();
                say(event("failed").put("error", error.toString()));
            }
        }

        private void step(ConsumerRecords<byte[], byte[]> records) {
            if (records.isEmpty()) {
                return;
            }
            consumer.commitSync();
            for (ConsumerRecord<byte[], byte[]> record : records) {
                ObjectNode event = event("record");
                say(event.put("partition", record.partition()).put("offset", record.offset()).put("value", hex(record.value())));
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            ObjectNode event = event("assigned");
            ArrayNode list = event.putArray("partitions");
            consumer.assignment().forEach(place -> list.add(place.partition()));
            say(event);
        }

        private ObjectNode event(String what) {
            return JSON.createObjectNode().put("event", what).put("member", name);
        }
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        return settings;
    }

    static KafkaConsumer<byte[], byte[]> consumer(Properties settings) {
        settings.put("enable.auto.commit", false);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static TopicPartition place(JsonNode command) {
        return new TopicPartition(text(command, "topic"), command.get("partition").asInt());
    }

    static String text(JsonNode command, String name) {
        return command.get(name).asText();
    }

    private static byte[] bytes(JsonNode digits) {
        return digits.isNull() ? null : HEX.parseHex(digits.asText());
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? null : HEX.formatHex(bytes);
    }
}
