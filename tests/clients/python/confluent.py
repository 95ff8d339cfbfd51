"""librdkafka, through confluent-kafka."""

import sys

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from protocol import Member, from_hex, headers_of, serve, to_hex

BROKER = sys.argv[1]
TIMEOUT = 30
# Records of one transaction of `transform`.
AT_ONCE = 5


class Client:
    def __init__(self):
        self.admin = AdminClient({"bootstrap.servers": BROKER})
        self.members = {}

    def info(self):
        return {
            "version": f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})",
            "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
            "idempotent": True,
            "transactions": True,
            "strategies": ["range", "cooperative-sticky"],
            "static_members": True,
            "cannot": [],
        }

    def create_topic(self, topic, partitions):
        for future in self.admin.create_topics([NewTopic(topic, partitions, 1)]).values():
            future.result(TIMEOUT)

    def list_topics(self):
        return {"topics": sorted(self.admin.list_topics(timeout=TIMEOUT).topics)}

    def delete_topic(self, topic):
        for future in self.admin.delete_topics([topic]).values():
            future.result(TIMEOUT)

    def produce(self, topic, partition, codec, idempotent, records):
        settings = {"compression.type": codec, "enable.idempotence": idempotent, "linger.ms": 20}
        self._write(Producer({"bootstrap.servers": BROKER, **settings}), topic, partition, records)

    def _write(self, producer, topic, partition, records):
        errors = []
        for record in records:
            producer.produce(
                topic,
                partition=partition,
                key=from_hex(record["key"]),
                value=from_hex(record["value"]),
                headers=headers_of(record),
                timestamp=record["timestamp"],
                on_delivery=lambda error, _: errors.append(error) if error else None,
            )
        left = producer.flush(TIMEOUT)
        if errors or left:
            raise RuntimeError(f"{left} not delivered, {errors}")

    def transaction(self, transactional_id, writes, commit):
        producer = self._begun(transactional_id)
        for part in writes:
            self._write(producer, **part)
        if commit:
            producer.commit_transaction(TIMEOUT)
        else:
            producer.abort_transaction(TIMEOUT)

    def fence(self, transactional_id, first, second):
        older = self._begun(transactional_id)
        self._write(older, **first)
        newer = self._begun(transactional_id)
        self._write(newer, **second)
        newer.commit_transaction(TIMEOUT)
        try:
            older.commit_transaction(TIMEOUT)
        except KafkaException as error:
            return {"error": str(error)}
        raise RuntimeError("the first committed")

    def transform(self, transactional_id, group, input, output, count, abort):
        consumer = self._consumer(group, {"isolation.level": "read_committed", "auto.offset.reset": "earliest"})
        consumer.subscribe([input])
        producer = self._initialized(transactional_id)
        turn = done = aborted = 0
        while done < count:
            messages = read(consumer, AT_ONCE, TIMEOUT)
            producer.begin_transaction()
            for message in messages:
                producer.produce(output, partition=message.partition(), key=message.key(), value=message.value())
            positions = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), TIMEOUT)
            # An abort throws away what was not sent yet.
            producer.flush(TIMEOUT)
            if turn == abort:
                producer.abort_transaction(TIMEOUT)
                for place in consumer.committed(consumer.assignment(), TIMEOUT):
                    consumer.seek(TopicPartition(input, place.partition, max(place.offset, 0)))
                aborted += len(messages)
            else:
                producer.commit_transaction(TIMEOUT)
                done += len(messages)
            turn += 1
        consumer.close()
        return {"aborted": aborted}

    def _initialized(self, transactional_id):
        settings = {"transactional.id": transactional_id, "linger.ms": 20}
        producer = Producer({"bootstrap.servers": BROKER, **settings})
        producer.init_transactions(TIMEOUT)
        return producer

    def _begun(self, transactional_id):
        producer = self._initialized(transactional_id)
        producer.begin_transaction()
        return producer

    def consume(self, topic, partition, offset, count, isolation):
        consumer = self._consumer("alone", {"isolation.level": isolation})
        consumer.assign([TopicPartition(topic, partition, offset)])
        records = []
        while len(records) < count:
            records += [record_of(message) for message in read(consumer, count - len(records), TIMEOUT)]
        consumer.close()
        return {"records": records}

    def offset_for_time(self, topic, partition, timestamp):
        consumer = self._consumer("alone", {})
        found = consumer.offsets_for_times([TopicPartition(topic, partition, timestamp)], TIMEOUT)
        consumer.close()
        return {"offset": found[0].offset}

    def join(self, member, group, topic, strategy, instance=None):
        settings = {"session.timeout.ms": 10000, "heartbeat.interval.ms": 200, "auto.offset.reset": "earliest"}
        if instance:
            settings["group.instance.id"] = instance
        consumer = self._consumer(group, {**settings, "partition.assignment.strategy": strategy})
        thread = Member(member, consumer.close)
        held = set()

        # A cooperative group tells what comes and goes, another all that comes after all has gone.
        def assigned(_, partitions):
            held.update(place.partition for place in partitions)
            thread.assigned(held)

        def revoked(_, partitions):
            held.difference_update(place.partition for place in partitions)

        def step():
            messages = read(consumer, 100, 0.1)
            if messages:
                consumer.commit(asynchronous=False)
            return [(message.partition(), message.offset(), message.value()) for message in messages]

        consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked)
        thread.step = step
        self.members[member] = thread
        thread.start()

    def leave(self, member):
        self.members.pop(member).leave()

    def committed(self, group, topic, partitions):
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, it) for it in range(partitions)])
        answer = self.admin.list_consumer_group_offsets([asked])[group].result(TIMEOUT)
        return {"offsets": {str(it.partition): it.offset for it in answer.topic_partitions}}

    def _consumer(self, group, settings):
        return Consumer({"bootstrap.servers": BROKER, "group.id": group, "enable.auto.commit": False, **settings})


def read(consumer, count, timeout):
    messages = consumer.consume(count, timeout)
    for message in messages:
        if message.error():
            raise RuntimeError(message.error())
    return messages


def record_of(message):
    return {
        "offset": message.offset(),
        "key": to_hex(message.key()),
        "value": to_hex(message.value()),
        "headers": [[name, to_hex(value)] for name, value in message.headers() or []],
        "timestamp": message.timestamp()[1],
    }


serve(Client())
