// A service that knows the bank by its topics alone: it pays salaries, and watches what becomes of them.
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { blake3 } from '@noble/hashes/blake3.js'
import { Consumer, MessagesStreamModes, ProduceAcks, Producer, compatibilityPartitioner } from '@platformatic/kafka'

const USAGE = `client SERVERS APP pay RUN json|packed     pays each line "ACCOUNT AMOUNT" that it reads, once for ever
client SERVERS APP watch events|rejects    prints what the bank says, each record once, until stopped`

const ACTOR = 'payroll'
const AT_ONCE = 500 // this library makes one batch of what it is given for a partition, and a broker takes a mebibyte

// --- asking ---

async function pay (bootstrapBrokers, app, run, form) {
  const producer = new Producer({
    clientId: ACTOR,
    bootstrapBrokers,
    // The intent must come into the partition of its page: (murmur2(key) & 0x7fffffff) mod partitions, over the page's
    // key as text. This partitioner computes that from the record key. The library's default keeps the highest bit,
    // and so comes to another partition for half of the keys, unless there are 1, 2, 4, 8 … partitions. In kafkajs it
    // is Partitioners.DefaultPartitioner, not LegacyPartitioner.
    partitioner: compatibilityPartitioner
  })
  // Without an error all are kept; after one repeat the run. And no transactions: their records are rejected.
  const send = (messages) => producer.send({ messages, acks: ProduceAcks.ALL })
  let messages = []
  let count = 0
  for await (const line of createInterface({ input: process.stdin })) {
    const [account, amount] = numbers(line)
    // The same line of the same run has the same id, so a run that is repeated, after a crash or in doubt, pays nobody
    // twice.
    const id = `${run}/${++count}`
    const value = (form === 'packed' ? packed : json)(id, run, account, amount)
    messages.push({ topic: `${app}.intents`, key: Buffer.from(String(account)), value })
    if (messages.length === AT_ONCE) {
      await send(messages)
      messages = []
    }
  }
  if (messages.length > 0) {
    await send(messages)
  }
  await producer.close()
  console.log(`sent ${count}`)
}

// Exact ones only: JSON.stringify would round an integer beyond 2 ** 53.
function numbers (line) {
  const found = /^\d+ -?\d+$/.test(line) ? line.split(' ').map(Number) : []
  if (found.length === 0 || !found.every(Number.isSafeInteger)) {
    throw new Error(`expected ACCOUNT AMOUNT, both below 2 ** 53, found ${JSON.stringify(line)}`)
  }
  return found
}

// docs/formats.md, section 5.
function json (id, run, account, amount) {
  const metadata = { '@id': id, '@actor': ACTOR, '@reason': run }
  return Buffer.from(JSON.stringify({ '@type': 'Deposit', ...metadata, account, amount }))
}

// docs/formats.md, section 4: the same intent in fewer bytes, which the bank takes faster.
function packed (id, run, account, amount) {
  const head = Buffer.alloc(16)
  head.write('MMI\x01', 0, 'latin1')
  head.writeUInt8(1 | 4, 4) // it has an id and metadata, and no source
  head.writeUInt16LE(2, 6) // words of arguments
  head.set(hash('intent Deposit{account:u64,amount:i64}').subarray(0, 8), 8) // type id, in this order already
  const fields = Buffer.alloc(16)
  fields.writeBigUInt64LE(BigInt(account), 0)
  fields.writeBigInt64LE(BigInt(amount), 8)
  return Buffer.concat([head, hash(id).subarray(0, 16), fields, metadata(ACTOR, run)])
}

// docs/formats.md, section 3: entries 1 and 2.
function metadata (actor, reason) {
  const entries = Buffer.concat([actor, reason].map((text, index) => {
    const content = Buffer.from(text)
    const entry = Buffer.alloc(Math.ceil((4 + content.length) / 8) * 8)
    entry.writeUInt16LE(index + 1, 0)
    entry.writeUInt16LE(content.length, 2)
    entry.set(content, 4)
    return entry
  }))
  const head = Buffer.alloc(8)
  head.writeUInt16LE(1, 0)
  head.writeUInt16LE(2, 2)
  head.writeUInt32LE(8 + entries.length, 4)
  return Buffer.concat([head, entries])
}

function hash (text) {
  return blake3(Buffer.from(text))
}

// --- hearing ---

async function watch (bootstrapBrokers, topic) {
  // What this prints is gone when it ends, so it begins without any marks. A service that keeps what it makes of the
  // records keeps the marks with it, in one transaction.
  const marks = new Map() // by source, the highest that was seen
  while (true) {
    // This library cannot go on reading from a broker that was restarted. So a new consumer reads all from the topic's
    // beginning, and the marks tell what was there before.
    await read(bootstrapBrokers, topic, marks).catch((error) => console.error(`reading again: ${error.message}`))
    await setTimeout(1000)
  }
}

async function read (bootstrapBrokers, topic, marks) {
  // In a new group, since this library only reads in groups.
  const consumer = new Consumer({ groupId: `watch-${randomUUID()}`, clientId: 'watch', bootstrapBrokers })
  try {
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false })
    for await (const message of stream) {
      const mark = [...message.headers].find(([name]) => name.toString() === 'mmsb')?.[1]
      if (mark && isNew(marks, mark)) { // without a mark, somebody else put it there
        process.stdout.write(`${message.value}\n`)
      }
    }
  } finally {
    await consumer.close(true)
  }
}

// docs/formats.md, section 23: whether the record is none that was there before. If so, it is remembered.
function isNew (marks, mark) {
  const source = mark.toString('latin1', 0, 16)
  if (marks.has(source) && Buffer.compare(mark, marks.get(source)) <= 0) {
    return false
  }
  marks.set(source, Buffer.from(mark)) // a copy, or all of the broker's answer stays in memory
  return true
}

const [servers, app, command, ...rest] = process.argv.slice(2)
if (command === 'pay' && rest.length === 2 && ['json', 'packed'].includes(rest[1])) {
  await pay(servers.split(','), app, ...rest)
} else if (command === 'watch' && rest.length === 1 && ['events', 'rejects'].includes(rest[0])) {
  await watch(servers.split(','), `${app}.${rest[0]}`)
} else {
  console.error(USAGE)
  process.exit(2)
}
