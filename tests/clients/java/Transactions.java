import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** Transactions: written, fenced, and fed from a topic together with its offsets. */
final class Transactions {
    /** Records of one transaction of {@link #transform}. */
    private static final int AT_ONCE = 5;

    private Transactions() {}

    static void write(Properties settings, JsonNode command) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = begun(settings, command)) {
            for (JsonNode part : command.get("writes")) {
                Client.write(producer, part);
            }
            if (command.get("commit").asBoolean()) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
        }
    }

    /** Two producers of one transactional id: what the first gets when it commits after the second. */
    static void fence(Properties settings, JsonNode command, ObjectNode ok) throws Exception {
        try (KafkaProducer<byte[], byte[]> first = begun(settings, command)) {
            Client.write(first, command.get("first"));
            try (KafkaProducer<byte[], byte[]> second = begun(settings, command)) {
                Client.write(second, command.get("second"));
                second.commitTransaction();
            }
            try {
                first.commitTransaction();
            } catch (KafkaException error) {
                ok.put("error", error.toString());
                return;
            }
            throw new IllegalStateException("the first committed");
        }
    }

    /** Consume, transform, produce: each transaction takes the offsets of what it read with it; one of them is aborted. */
    static void transform(Properties settings, JsonNode command, ObjectNode ok) {
        Properties reading = (Properties) settings.clone();
        reading.put("group.id", Client.text(command, "group"));
        reading.put("auto.offset.reset", "earliest");
        reading.put("isolation.level", "read_committed");
        reading.put("max.poll.records", AT_ONCE);
        int aborted = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = Client.consumer(reading);
                KafkaProducer<byte[], byte[]> producer = initialized(settings, command)) {
            consumer.subscribe(List.of(Client.text(command, "input")));
            int done = 0;
            for (int turn = 0; done < command.get("count").asInt(); ) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Client.TIMEOUT);
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                pass(records, producer, consumer, Client.text(command, "output"));
                if (turn++ == command.get("abort").asInt()) {
                    producer.abortTransaction();
                    rewind(consumer);
                    aborted += records.count();
                } else {
                    producer.commitTransaction();
                    done += records.count();
                }
            }
        }
        ok.put("aborted", aborted);
    }

    private static void pass(
            ConsumerRecords<byte[], byte[]> records, KafkaProducer<byte[], byte[]> producer,
            KafkaConsumer<byte[], byte[]> consumer, String output) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            producer.send(new ProducerRecord<>(output, record.partition(), record.key(), record.value()));
            TopicPartition place = new TopicPartition(record.topic(), record.partition());
            offsets.put(place, new OffsetAndMetadata(record.offset() + 1));
        }
        // An abort throws away what was not sent yet.
        producer.flush();
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    }

    /** Back to what is committed. */
    private static void rewind(KafkaConsumer<byte[], byte[]> consumer) {
        consumer.committed(consumer.assignment()).forEach((place, at) -> consumer.seek(place, at == null ? 0 : at.offset()));
    }

    private static KafkaProducer<byte[], byte[]> begun(Properties settings, JsonNode command) {
        KafkaProducer<byte[], byte[]> producer = initialized(settings, command);
        producer.beginTransaction();
        return producer;
    }

    private static KafkaProducer<byte[], byte[]> initialized(Properties settings, JsonNode command) {
        Properties own = (Properties) settings.clone();
        own.put("transactional.id", Client.text(command, "transactional_id"));
        KafkaProducer<byte[], byte[]> producer = Client.producer(own);
        producer.initTransactions();
        return producer;
    }
}
