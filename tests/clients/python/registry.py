"""Confluent's registry client and serializers, through confluent-kafka."""

import base64
import json
import sys

import confluent_kafka
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from protocol import from_hex, serve, to_hex

URL = sys.argv[1]


def plain(value):
    """As JSON can say it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def message_class(descriptor):
    """The class of the first message in a serialized file descriptor."""
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(descriptor))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    prefix = f"{file.package}." if file.package else ""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(prefix + file.message_type[0].name))


class Client:
    def __init__(self):
        self.registry = SchemaRegistryClient({"url": URL})

    def info(self):
        return {"version": confluent_kafka.__version__}

    def serialize(self, format, topic, schema, values):
        context = SerializationContext(topic, MessageField.VALUE)
        if format == "avro":
            serializer = AvroSerializer(self.registry, schema)
        elif format == "json":
            serializer = JSONSerializer(schema, self.registry)
        else:
            kind = message_class(schema)
            serializer = ProtobufSerializer(kind, self.registry, {"use.deprecated.format": False})
            values = [json_format.ParseDict(value, kind()) for value in values]
        return {"messages": [to_hex(serializer(value, context)) for value in values]}

    def deserialize(self, format, topic, schema, messages):
        context = SerializationContext(topic, MessageField.VALUE)
        if format == "avro":
            deserializer = AvroDeserializer(self.registry)
        elif format == "json":
            deserializer = JSONDeserializer(schema, schema_registry_client=self.registry)
        else:
            deserializer = ProtobufDeserializer(message_class(schema), {"use.deprecated.format": False}, self.registry)
        values = [deserializer(from_hex(message), context) for message in messages]
        if format == "protobuf":
            values = [
                json_format.MessageToDict(value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
                for value in values
            ]
        return {"values": [plain(value) for value in values]}

    def administer(self, subject, schema, next_schema, wrong_schema):
        """Every call of the client, one after the other; what each answered."""
        registry, answers = self.registry, {}
        answers["id"] = registry.register_schema(subject, Schema(schema, "AVRO"))
        answers["text"] = json.loads(registry.get_schema(answers["id"]).schema_str)
        answers["lookup"] = registry.lookup_schema(subject, Schema(schema, "AVRO")).version
        answers["compatible"] = registry.test_compatibility(subject, Schema(next_schema, "AVRO"))
        answers["incompatible"] = registry.test_compatibility(subject, Schema(wrong_schema, "AVRO"))
        answers["next"] = registry.register_schema(subject, Schema(next_schema, "AVRO"))
        answers["versions"] = registry.get_versions(subject)
        answers["latest"] = registry.get_latest_version(subject).version
        answers["first"] = registry.get_version(subject, 1).schema_id
        answers["listed"] = subject in registry.get_subjects()
        answers["level"] = registry.get_compatibility()
        registry.set_compatibility(subject, "FULL")
        answers["own_level"] = registry.get_compatibility(subject)
        using = '{"type":"array","items":"org.acme.R"}'
        reference = SchemaReference("org.acme.R", subject, 1)
        answers["using"] = registry.register_schema(subject + "-using", Schema(using, "AVRO", [reference])) > 0
        answers["errors"] = []
        for call in (
            lambda: registry.register_schema(subject, Schema(wrong_schema, "AVRO")),
            lambda: registry.register_schema(subject, Schema("{", "AVRO")),
            lambda: registry.get_versions("none-such"),
            lambda: registry.get_version(subject, 99),
            lambda: registry.get_schema(99999),
            lambda: registry.delete_version(subject, 1),
        ):
            try:
                call()
                answers["errors"].append(None)
            except SchemaRegistryError as error:
                answers["errors"].append([error.http_status_code, error.error_code])
        registry.delete_subject(subject + "-using")
        answers["deleted_version"] = registry.delete_version(subject, 2)
        answers["deleted"] = registry.delete_subject(subject)
        answers["gone"] = registry.delete_subject(subject, permanent=True)
        return answers


serve(Client())
