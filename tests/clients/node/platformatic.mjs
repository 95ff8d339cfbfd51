// @platformatic/kafka. It takes bytes as they are, and headers as a map from bytes to bytes.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import zlib from 'node:zlib'
import { Admin, Consumer, FetchIsolationLevels, MessagesStreamFallbackModes, MessagesStreamModes, Producer } from '@platformatic/kafka'
import { assigned, failed, fromHex, read, serve, toHex } from './protocol.mjs'

const main = createRequire(import.meta.url).resolve('@platformatic/kafka')
const { version } = JSON.parse(readFileSync(new URL('../package.json', `file://${main}`)))
const base = { clientId: 'sluice-clients', bootstrapBrokers: [process.argv[2]] }
const admin = new Admin(base)
const members = new Map()
const FROM_COMMITTED = {
  autocommit: false,
  mode: MessagesStreamModes.COMMITTED,
  fallbackMode: MessagesStreamFallbackModes.EARLIEST
}
const { READ_UNCOMMITTED: UNCOMMITTED, READ_COMMITTED: COMMITTED } = FetchIsolationLevels
let alone = 0

/** Told no producer id, it asks with 0 and epoch 0: with what another producer may have. Kafka's word for "none" is -1. */
const NEW_PRODUCER = { producerId: -1n, producerEpoch: -1 }

async function begun(transactionalId) {
  const producer = new Producer({ ...base, idempotent: true, transactionalId })
  return { producer, transaction: await producer.beginTransaction(NEW_PRODUCER) }
}

const messagesOf = ({ topic, partition, records }) =>
  records.map(record => ({
    topic,
    partition,
    key: fromHex(record.key) ?? undefined,
    value: fromHex(record.value) ?? undefined,
    headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), fromHex(value)])),
    timestamp: BigInt(record.timestamp)
  }))

const recordOf = ({ offset, key, value, headers, timestamp }) => ({
  offset: Number(offset),
  key: toHex(key),
  value: toHex(value),
  headers: [...headers].map(([name, it]) => [name.toString(), toHex(it)]),
  timestamp: Number(timestamp)
})

await serve({
  info() {
    // Its zstd is Node's own, which came with 22.15.
    const codecs = ['none', 'gzip', 'snappy', 'lz4', ...(zlib.zstdCompressSync ? ['zstd'] : [])]
    // Its snappy, in WebAssembly, reads its own but stops ("unreachable") at what Java's and Sarama's producers write.
    const others = ['confluent-kafka', 'kafka-python', 'java', 'kafkajs', 'franz-go', 'sarama']
    const cannot = ['read-without-group', 'deliver-once', ...others.map(it => `read-snappy-of-${it}`)]
    return { version: `${version} (Node ${process.versions.node})`, codecs, idempotent: true, transactions: true, cannot }
  },

  async create_topic({ topic, partitions }) {
    await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
  },

  async list_topics() {
    return { topics: await admin.listTopics() }
  },

  async delete_topic({ topic }) {
    await admin.deleteTopics({ topics: [topic] })
  },

  async produce({ codec, idempotent, ...command }) {
    const producer = new Producer({ ...base, idempotent })
    await producer.send({ messages: messagesOf(command), compression: codec, acks: -1 })
    await producer.close()
  },

  async transaction({ transactional_id: id, writes, commit }) {
    const { producer, transaction } = await begun(id)
    for (const part of writes) await transaction.send({ messages: messagesOf(part), acks: -1 })
    await (commit ? transaction.commit() : transaction.abort())
    await producer.close()
  },

  async fence({ transactional_id: id, first, second }) {
    const older = await begun(id)
    await older.transaction.send({ messages: messagesOf(first), acks: -1 })
    const newer = await begun(id)
    await newer.transaction.send({ messages: messagesOf(second), acks: -1 })
    await newer.transaction.commit()
    await newer.producer.close()
    try {
      await older.transaction.commit()
    } catch (error) {
      return { error: [error, ...(error.errors ?? [])].map(String).join('; ') }
    } finally {
      await older.producer.close()
    }
    throw new Error('the first committed')
  },

  // A transaction for each record: a stream gives one after the other. An aborted one ends the consumer; the next starts at what is committed.
  async transform({ transactional_id: transactionalId, group, input, output, count, abort }) {
    const producer = new Producer({ ...base, idempotent: true, transactionalId })
    let [turn, done, aborted] = [0, 0, 0]
    while (done < count) {
      const consumer = new Consumer({ ...base, groupId: group, maxWaitTime: 100, isolationLevel: COMMITTED })
      const stream = await consumer.consume({ ...FROM_COMMITTED, topics: [input] })
      for await (const message of stream) {
        const transaction = await producer.beginTransaction(NEW_PRODUCER)
        const { partition, key, value } = message
        await transaction.send({ messages: [{ topic: output, partition, key, value }], acks: -1 })
        await transaction.addConsumer(consumer)
        await transaction.addOffset(message)
        if (turn++ === abort) {
          await transaction.abort()
          aborted += 1
          break
        }
        await transaction.commit()
        if (++done === count) break
      }
      await consumer.close(true)
    }
    await producer.close()
    return { aborted }
  },

  // It reads in groups only: one of its own for each reading, which starts at given offsets and never commits.
  async consume({ topic, partition, offset, count, isolation }) {
    const consumer = new Consumer({ ...base, groupId: `platformatic-alone-${process.pid}-${alone++}`, maxWaitTime: 100 })
    const offsets = [{ topic, partition, offset: BigInt(offset) }]
    const isolationLevel = isolation === 'read_committed' ? COMMITTED : UNCOMMITTED
    const mode = MessagesStreamModes.MANUAL
    const stream = await consumer.consume({ autocommit: false, topics: [topic], mode, offsets, isolationLevel })
    const records = []
    for await (const message of stream) {
      if (message.partition === partition) records.push(recordOf(message))
      if (records.length === count) break
    }
    await consumer.close(true)
    return { records }
  },

  /** Several topics, each from its beginning to a count, in one group. */
  async consume_many({ topics }) {
    const consumer = new Consumer({ ...base, groupId: `platformatic-alone-${process.pid}-${alone++}`, maxWaitTime: 100 })
    const offsets = Object.keys(topics).map(topic => ({ topic, partition: 0, offset: 0n }))
    const options = { autocommit: false, mode: MessagesStreamModes.MANUAL, offsets, isolationLevel: COMMITTED }
    const stream = await consumer.consume({ ...options, topics: Object.keys(topics) })
    const records = Object.fromEntries(Object.keys(topics).map(topic => [topic, []]))
    for await (const message of stream) {
      const { topic } = message
      if (records[topic].length < topics[topic]) records[topic].push(recordOf(message))
      if (Object.keys(topics).every(it => records[it].length === topics[it])) break
    }
    await consumer.close(true)
    return { records }
  },

  async offset_for_time({ topic, partition, timestamp }) {
    const partitions = [{ partitionIndex: partition, timestamp: BigInt(timestamp) }]
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions }] })
    return { offset: Number(found.partitions[0].offset) }
  },

  async join({ member, group, topic }) {
    const consumer = new Consumer({
      ...base,
      groupId: group,
      sessionTimeout: 10000,
      heartbeatInterval: 200,
      rebalanceTimeout: 10000,
      maxWaitTime: 100
    })
    members.set(member, consumer)
    consumer.on('consumer:group:join', ({ assignments }) => {
      assigned(member, (assignments ?? []).filter(it => it.topic === topic).flatMap(it => it.partitions))
    })
    // Not awaited: it answers when the group is in place, which may need the members that join after this one.
    follow(member, consumer, topic).catch(error => members.has(member) && failed(member, error))
  },

  async leave({ member }) {
    const consumer = members.get(member)
    members.delete(member)
    await consumer.close(true)
  },

  async committed({ group, topic, partitions }) {
    const asked = { groupId: group, topics: [{ name: topic, partitionIndexes: Array.from({ length: partitions }, (_, it) => it) }] }
    const [answer] = await admin.listConsumerGroupOffsets({ groups: [asked] })
    const found = answer.topics.find(it => it.name === topic).partitions
    return { offsets: Object.fromEntries(found.map(it => [it.partitionIndex, Number(it.committedOffset)])) }
  }
})

/** Reads as a member of a group; a record is told after its commit. */
async function follow(member, consumer, topic) {
  const stream = await consumer.consume({ ...FROM_COMMITTED, topics: [topic] })
  for await (const message of stream) {
    await message.commit()
    read(member, message.partition, message.offset, message.value)
  }
}
