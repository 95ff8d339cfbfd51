// @kafkajs/confluent-schema-registry.

import { createRequire } from 'node:module'

import { fromHex, serve, toHex } from './protocol.mjs'

const { SchemaRegistry, SchemaType } = createRequire(import.meta.url)('@kafkajs/confluent-schema-registry')
const version = createRequire(import.meta.url)('@kafkajs/confluent-schema-registry/package.json').version

// Its validator refuses keywords that it does not know, `connect.*` among them, unless told not to.
const registry = new SchemaRegistry({ host: process.argv[2] }, { [SchemaType.JSON]: { strict: false } })
const types = { avro: SchemaType.AVRO, json: SchemaType.JSON, protobuf: SchemaType.PROTOBUF }

const plain = value => JSON.parse(JSON.stringify(value, (_, inner) => (inner?.type === 'Buffer' ? Buffer.from(inner.data).toString('base64') : inner)))

serve({
  info: () => ({ version }),
  async serialize({ format, topic, schema, values }) {
    const { id } = await registry.register({ type: types[format], schema }, { subject: `${topic}-value` })
    const messages = []
    for (const value of values) messages.push(toHex(await registry.encode(id, value)))
    return { messages }
  },
  async deserialize({ messages }) {
    const values = []
    for (const message of messages) values.push(plain(await registry.decode(fromHex(message))))
    return { values }
  },
  async administer({ subject, schema, next_schema: nextSchema, wrong_schema: wrongSchema }) {
    const register = text => registry.register({ type: SchemaType.AVRO, schema: text }, { subject })
    const answers = { id: (await register(schema)).id }
    answers.lookup = await registry.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema })
    answers.next = (await register(nextSchema)).id
    answers.latest = await registry.getLatestSchemaId(subject)
    answers.first = await registry.getRegistryId(subject, 1)
    answers.errors = []
    for (const call of [() => register(wrongSchema), () => registry.getLatestSchemaId('none-such'), () => registry.getSchema(99999)]) {
      try {
        await call()
        answers.errors.push(null)
      } catch (error) {
        answers.errors.push([error.status ?? null, String(error.message)])
      }
    }
    return answers
  },
})
