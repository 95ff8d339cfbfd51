// kafkajs, with the codecs that it leaves to others.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { compress, decompress, init } from '@bokuweb/zstd-wasm'
import kafkajs from 'kafkajs'
import SnappyCodec from 'kafkajs-snappy'
import Lz4Codec from 'kafkajs-lz4'
import { assigned, failed, fromHex, read, serve, toHex } from './protocol.mjs'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs
const require = createRequire(import.meta.url)
const version = JSON.parse(readFileSync(require.resolve('kafkajs/package.json'))).version
const broker = process.argv[2]

await init()
CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = new Lz4Codec().codec
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(compress(encoder.buffer)),
  decompress: async bytes => Buffer.from(decompress(bytes))
})

const TYPES = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}
const kafka = new Kafka({ clientId: 'sluice-clients', brokers: [broker], logLevel: logLevel.WARN })
const admin = kafka.admin()
await admin.connect()
const members = new Map()
/** Records of one transaction of `transform`. */
const AT_ONCE = 5
let alone = 0

async function write(sender, { topic, partition, codec = 'none', records }) {
  await sender.send({
    topic,
    acks: -1,
    compression: TYPES[codec],
    messages: records.map(record => ({
      partition,
      key: fromHex(record.key),
      value: fromHex(record.value),
      headers: headersOf(record),
      timestamp: String(record.timestamp)
    }))
  })
}

async function begun(transactionalId) {
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  return { producer, transaction: await producer.transaction() }
}

/** kafkajs takes an object: a name that comes twice has a list of values, and its place among the others is lost. */
function headersOf(record) {
  const headers = {}
  for (const [name, value] of record.headers) {
    headers[name] = name in headers ? [headers[name], fromHex(value)].flat() : fromHex(value)
  }
  return headers
}

function recordOf({ offset, key, value, headers, timestamp }) {
  const list = Object.entries(headers ?? {}).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map(it => [name, toHex(it)])
  )
  return { offset: Number(offset), key: toHex(key), value: toHex(value), headers: list, timestamp: Number(timestamp) }
}

await serve({
  info() {
    const cannot = ['null-header', 'read-null-header', 'repeated-header-order', 'read-without-group']
    return { version, codecs: Object.keys(TYPES), idempotent: true, transactions: true, cannot }
  },

  async create_topic({ topic, partitions }) {
    // Apache Kafka answers before its metadata knows the topic, and kafkajs then fails instead of waiting for leaders.
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }], waitForLeaders: false })
    for (let known = false; !known; ) known = (await admin.listTopics()).includes(topic)
  },

  async list_topics() {
    return { topics: await admin.listTopics() }
  },

  async delete_topic({ topic }) {
    await admin.deleteTopics({ topics: [topic] })
  },

  async produce(command) {
    const producer = kafka.producer({ idempotent: command.idempotent, maxInFlightRequests: 1, allowAutoTopicCreation: false })
    await producer.connect()
    await write(producer, command)
    await producer.disconnect()
  },

  async transaction({ transactional_id: id, writes, commit }) {
    const { producer, transaction } = await begun(id)
    for (const part of writes) await write(transaction, part)
    await (commit ? transaction.commit() : transaction.abort())
    await producer.disconnect()
  },

  async fence({ transactional_id: id, first, second }) {
    const older = await begun(id)
    await write(older.transaction, first)
    const newer = await begun(id)
    await write(newer.transaction, second)
    await newer.transaction.commit()
    await newer.producer.disconnect()
    try {
      await older.transaction.commit()
    } catch (error) {
      return { error: String(error) }
    } finally {
      await older.producer.disconnect()
    }
    throw new Error('the first committed')
  },

  async transform({ transactional_id: transactionalId, group, input, output, count, abort }) {
    const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 100 })
    await consumer.connect()
    await consumer.subscribe({ topic: input, fromBeginning: true })
    let [turn, done, aborted] = [0, 0, 0]
    await new Promise((resolve, reject) => {
      const pass = async (partition, messages) => {
        const transaction = await producer.transaction()
        const copies = messages.map(({ key, value }) => ({ partition, key, value }))
        await transaction.send({ topic: output, acks: -1, messages: copies })
        const offset = String(Number(messages.at(-1).offset) + 1)
        await transaction.sendOffsets({ consumerGroupId: group, topics: [{ topic: input, partitions: [{ partition, offset }] }] })
        if (turn++ === abort) {
          await transaction.abort()
          aborted += messages.length
          return false
        }
        await transaction.commit()
        done += messages.length
        return true
      }
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer
        .run({
          autoCommit: false,
          eachBatchAutoResolve: false,
          // What is not resolved is fetched again.
          eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
            for (let at = 0; at < batch.messages.length && done < count; at += AT_ONCE) {
              const messages = batch.messages.slice(at, at + AT_ONCE)
              if (!(await pass(batch.partition, messages))) return
              resolveOffset(messages.at(-1).offset)
              await heartbeat()
            }
            if (done >= count) resolve()
          }
        })
        .catch(reject)
    })
    await consumer.disconnect()
    await producer.disconnect()
    return { aborted }
  },

  // kafkajs reads in groups only: one of its own for each reading, which seeks and never commits.
  async consume({ topic, partition, offset, count, isolation }) {
    const groupId = `kafkajs-alone-${process.pid}-${alone++}`
    const consumer = kafka.consumer({ groupId, sessionTimeout: 30000, maxWaitTimeInMs: 100, readUncommitted: isolation === 'read_uncommitted' })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const records = []
    await new Promise((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      consumer
        .run({
          autoCommit: false,
          eachMessage: async ({ partition: from, message }) => {
            if (from !== partition || Number(message.offset) < offset || records.length === count) return
            records.push(recordOf(message))
            if (records.length === count) resolve()
          }
        })
        .then(() => consumer.seek({ topic, partition, offset: String(offset) }), reject)
    })
    await consumer.disconnect()
    return { records }
  },

  /** Several topics, each from its beginning to a count, in one group. */
  async consume_many({ topics }) {
    const groupId = `kafkajs-alone-${process.pid}-${alone++}`
    const consumer = kafka.consumer({ groupId, sessionTimeout: 30000, maxWaitTimeInMs: 100 })
    await consumer.connect()
    await consumer.subscribe({ topics: Object.keys(topics), fromBeginning: true })
    const records = Object.fromEntries(Object.keys(topics).map(topic => [topic, []]))
    await new Promise((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
      const eachMessage = async ({ topic, message }) => {
        if (records[topic].length < topics[topic]) records[topic].push(recordOf(message))
        if (Object.keys(topics).every(it => records[it].length === topics[it])) resolve()
      }
      consumer.run({ autoCommit: false, eachMessage }).catch(reject)
    })
    await consumer.disconnect()
    return { records }
  },

  async offset_for_time({ topic, partition, timestamp }) {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
    return { offset: Number(found.find(it => it.partition === partition).offset) }
  },

  async join({ member, group, topic }) {
    const consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: 10000,
      heartbeatInterval: 200,
      rebalanceTimeout: 5000,
      maxWaitTimeInMs: 100
    })
    members.set(member, consumer)
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => assigned(member, payload.memberAssignment[topic] ?? []))
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(member, payload.error))
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    // Not awaited: it answers when the group is in place, which may need the members that join after this one.
    consumer
      .run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
          if (!isRunning() || isStale()) return
          const next = String(Number(batch.lastOffset()) + 1)
          await consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }])
          for (const message of batch.messages) {
            read(member, batch.partition, message.offset, message.value)
            resolveOffset(message.offset)
          }
          await heartbeat()
        }
      })
      .catch(error => failed(member, error))
  },

  async leave({ member }) {
    await members.get(member).disconnect()
    members.delete(member)
  },

  async committed({ group, topic }) {
    const [answer] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    return { offsets: Object.fromEntries(answer.partitions.map(it => [it.partition, Number(it.offset)])) }
  }
})
