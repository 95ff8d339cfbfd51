"""librdkafka, through confluent-kafka."""

import sys

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from protocol import Member, from_hex, headers_of, serve, to_hex

BROKER = sys.argv[1]
TIMEOUT = 30


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

    def transaction(self, topic, partition, transactional_id, records, commit):
        settings = {"transactional.id": transactional_id, "linger.ms": 20}
        producer = Producer({"bootstrap.servers": BROKER, **settings})
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
        self._write(producer, topic, partition, records)
        if commit:
            producer.commit_transaction(TIMEOUT)
        else:
            producer.abort_transaction(TIMEOUT)

    def consume(self, topic, partition, offset, count):
        consumer = self._consumer("alone", {"isolation.level": "read_committed"})
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

    def join(self, member, group, topic, strategy="range"):
        settings = {"session.timeout.ms": 10000, "heartbeat.interval.ms": 200, "auto.offset.reset": "earliest"}
        consumer = self._consumer(group, {**settings, "partition.assignment.strategy": strategy})
        thread = Member(member, consumer.close)

        def assigned(_, partitions):
            thread.assigned(partition.partition for partition in partitions)

        def step():
            messages = read(consumer, 100, 0.1)
            if messages:
                consumer.commit(asynchronous=False)
            return [(message.partition(), message.offset(), message.value()) for message in messages]

        consumer.subscribe([topic], on_assign=assigned)
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
