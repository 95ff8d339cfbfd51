"""kafka-python."""

import sys

import kafka
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError

from protocol import Member, from_hex, headers_of, serve, to_hex

BROKER = sys.argv[1]
TIMEOUT = 30
# Records of one transaction of `transform`.
AT_ONCE = 5
ASSIGNORS = {"range": RangePartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}


class Client:
    def __init__(self):
        self.admin = KafkaAdminClient(bootstrap_servers=BROKER)
        self.members = {}

    def info(self):
        return {
            "version": kafka.__version__,
            "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
            "idempotent": True,
            "transactions": True,
            "strategies": ["range", "cooperative-sticky"],
            "static_members": True,
            # The answer to a heartbeat of the last round is taken for news of this one, and it joins the same generation again.
            "cannot": ["null-header", "one-join-per-round"],
        }

    def create_topic(self, topic, partitions):
        self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})

    def list_topics(self):
        return {"topics": sorted(self.admin.list_topics())}

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def produce(self, topic, partition, codec, idempotent, records):
        settings = {"enable_idempotence": idempotent, "compression_type": None if codec == "none" else codec}
        producer = KafkaProducer(bootstrap_servers=BROKER, acks="all", linger_ms=20, **settings)
        self._write(producer, topic, partition, records)
        producer.close()

    def _write(self, producer, topic, partition, records):
        sent = [
            producer.send(
                topic,
                partition=partition,
                key=from_hex(record["key"]),
                value=from_hex(record["value"]),
                headers=headers_of(record),
                timestamp_ms=record["timestamp"],
            )
            for record in records
        ]
        producer.flush(TIMEOUT)
        for future in sent:
            future.get(TIMEOUT)

    def transaction(self, transactional_id, writes, commit):
        producer = self._begun(transactional_id)
        for part in writes:
            self._write(producer, **part)
        if commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        producer.close()

    def fence(self, transactional_id, first, second):
        older = self._begun(transactional_id)
        self._write(older, **first)
        newer = self._begun(transactional_id)
        self._write(newer, **second)
        newer.commit_transaction()
        newer.close()
        try:
            older.commit_transaction()
        except KafkaError as error:
            return {"error": f"{type(error).__name__}: {error}"}
        finally:
            older.close(timeout=0)
        raise RuntimeError("the first committed")

    def transform(self, transactional_id, group, input, output, count, abort):
        settings = {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}
        consumer = self._consumer(group, max_poll_records=AT_ONCE, **settings)
        consumer.subscribe([input])
        producer = self._initialized(transactional_id)
        turn = done = aborted = 0
        while done < count:
            answer = consumer.poll(timeout_ms=TIMEOUT * 1000)
            records = [record for some in answer.values() for record in some]
            if not records:
                continue
            producer.begin_transaction()
            for record in records:
                producer.send(output, partition=record.partition, key=record.key, value=record.value)
            offsets = {place: OffsetAndMetadata(some[-1].offset + 1, "", -1) for place, some in answer.items()}
            producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
            # An abort throws away what was not sent yet.
            producer.flush(TIMEOUT)
            if turn == abort:
                producer.abort_transaction()
                for place in consumer.assignment():
                    consumer.seek(place, consumer.committed(place) or 0)
                aborted += len(records)
            else:
                producer.commit_transaction()
                done += len(records)
            turn += 1
        consumer.close()
        producer.close()
        return {"aborted": aborted}

    def _initialized(self, transactional_id):
        producer = KafkaProducer(bootstrap_servers=BROKER, transactional_id=transactional_id, linger_ms=20)
        producer.init_transactions()
        return producer

    def _begun(self, transactional_id):
        producer = self._initialized(transactional_id)
        producer.begin_transaction()
        return producer

    def consume(self, topic, partition, offset, count, isolation):
        consumer = self._consumer(None, isolation_level=isolation)
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, offset)
        records = []
        while len(records) < count:
            answer = consumer.poll(timeout_ms=TIMEOUT * 1000, max_records=count - len(records))
            records += [record_of(record) for record in answer.get(place, [])]
        consumer.close()
        return {"records": records}

    def offset_for_time(self, topic, partition, timestamp):
        consumer = self._consumer(None)
        place = TopicPartition(topic, partition)
        found = consumer.offsets_for_times({place: timestamp})
        consumer.close()
        return {"offset": found[place].offset}

    def join(self, member, group, topic, strategy, instance=None):
        settings = {"session_timeout_ms": 10000, "heartbeat_interval_ms": 200, "auto_offset_reset": "earliest"}
        if instance:
            settings["group_instance_id"] = instance
        consumer = self._consumer(group, partition_assignment_strategy=[ASSIGNORS[strategy]], **settings)
        thread = Member(member, consumer.close)

        class Listener(ConsumerRebalanceListener):
            def on_partitions_revoked(self, revoked):
                pass

            def on_partitions_assigned(self, assigned):
                thread.assigned(place.partition for place in consumer.assignment())

        def step():
            answer = consumer.poll(timeout_ms=100)
            if answer:
                consumer.commit()
            read = [record for records in answer.values() for record in records]
            return [(record.partition, record.offset, record.value) for record in read]

        consumer.subscribe([topic], listener=Listener())
        thread.step = step
        self.members[member] = thread
        thread.start()

    def leave(self, member):
        self.members.pop(member).leave()

    def committed(self, group, topic, partitions):
        answer = self.admin.list_group_offsets({group: [TopicPartition(topic, it) for it in range(partitions)]})
        return {"offsets": {str(place.partition): at.offset for place, at in answer[group].items()}}

    def _consumer(self, group, **settings):
        return KafkaConsumer(bootstrap_servers=BROKER, group_id=group, enable_auto_commit=False, **settings)


def record_of(record):
    return {
        "offset": record.offset,
        "key": to_hex(record.key),
        "value": to_hex(record.value),
        "headers": [[name, to_hex(value)] for name, value in record.headers],
        "timestamp": record.timestamp,
    }


serve(Client())
