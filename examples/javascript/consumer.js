// Prints the machine readings of a topic, whichever version of the schema they were written in.
import { createHash } from 'node:crypto'
import { Consumer } from '@platformatic/kafka'
import { Readings, Unreadable, reason } from './readings.js'

const setting = (name, otherwise) => process.env[name] || otherwise

/** What a reading adds to the digest; sums do not depend on the order of partitions. */
function number(r) {
  const bits = Buffer.alloc(8)
  bits.writeDoubleBE(r.value)
  const words = [r.machine, r.sensor, r.units, bits.toString('hex'), r.timestamp, r.seq, r.quality, r.machine_id]
  return createHash('sha256').update(words.join('|')).digest().readBigUInt64BE()
}

/** Microseconds, which avsc gives as a number, exact to the year 2255; a Date would lose the last three digits. */
const time = (us) => new Date(us / 1000).toISOString().slice(0, -4) + String(us % 1e6).padStart(6, '0') + 'Z'

async function read(stream, readings, limit) {
  let [records, skipped, digest, committed] = [0, 0, 0n]
  for await (const message of stream) {
    try {
      const r = await readings.decode(message.value)
      records += 1
      digest = BigInt.asUintN(64, digest + number(r))
      console.log(`${r.machine} ${r.sensor} ${r.value} ${r.units} ${time(r.timestamp)}`)
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      skipped += 1
      console.error(`partition ${message.partition}, offset ${message.offset}: ${error.message}`)
    }
    // What has been printed is not read again by this group. The client makes one request of many such calls.
    committed = message.commit()
    committed.catch((error) => stream.destroy(error))
    if (records + skipped >= limit) break
  }
  await committed
  if (skipped) console.error(`unreadable=${skipped}`)
  console.log(`records=${records} digest=${digest.toString(16).padStart(16, '0')}`)
}

const limit = Number(setting('RECORDS', 'Infinity'))
if (!(limit >= 1)) {
  console.error(`RECORDS must be a whole number above 0, got ${process.env.RECORDS}`)
  process.exit(1)
}
const readings = new Readings(setting('SCHEMA_REGISTRY', 'http://localhost:8081'))
const consumer = new Consumer({
  clientId: 'fleet-example-javascript',
  groupId: setting('GROUP', 'fleet-example-javascript'),
  bootstrapBrokers: setting('KAFKA_BOOTSTRAP', 'localhost:9092').split(','),
})
try {
  const topics = [setting('TOPIC', 'factory.readings')]
  await consumer.metadata({ topics }) // no Kafka: told after a few tries, and not after the group's many
  const stream = await consumer.consume({
    topics,
    autocommit: false, // true commits what has been fetched, printed or not
    mode: 'committed',
    fallbackMode: 'earliest', // auto.offset.reset=earliest
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stream.close())
  await read(stream, readings, limit)
} catch (error) {
  console.error(reason(error))
  process.exitCode = 1
} finally {
  await consumer.close(true)
}
