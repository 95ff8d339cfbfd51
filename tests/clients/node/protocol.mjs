// The protocol between the driver and a client program: README.md beside the crate says what each command means.

import { createInterface } from 'node:readline'

// On its way out before anything else is: standard output belongs to the protocol.
console.log = console.info = console.debug = console.error

export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

export const toHex = bytes => (bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('hex'))
export const fromHex = digits => (digits === null ? null : Buffer.from(digits, 'hex'))

export function assigned(member, partitions) {
  say({ event: 'assigned', member, partitions: [...partitions].sort((a, b) => a - b) })
}

export function read(member, partition, offset, value) {
  say({ event: 'record', member, partition, offset: Number(offset), value: toHex(value) })
}

export function failed(member, error) {
  say({ event: 'failed', member, error: String(error?.stack ?? error) })
}

/** Answers commands, one after the other, with the methods of `client` until the input ends. */
export async function serve(client) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, op, ...command } = JSON.parse(line)
    try {
      say({ id, ok: (await client[op](command)) ?? null })
    } catch (error) {
      console.error(error)
      say({ id, error: [error, ...(error.errors ?? [])].map(String).join('; ') })
    }
  }
  process.exit(0)
}
