// Decodes framed readings, asking the registry once for each writer's schema.
import { readFileSync } from 'node:fs'
import avro from 'avsc'

const WAIT_MS = 10_000
const reader = avro.Type.forSchema(JSON.parse(readFileSync(new URL('machine-sensor.v3.avsc', import.meta.url))))

/** What an error is about: clients wrap the cause in what they were doing, once for each try. */
export const reason = (error) => (error.cause || error.errors ? reason(error.cause ?? error.errors[0]) : error.message)

/** The record's fault: another try would end the same way. */
export class Unreadable extends Error {}

export class Readings {
  #registry
  #known = new Map() // a writer's schema by its id, and what makes version 3 of it

  constructor(registry) {
    this.#registry = registry
  }

  /** Return a framed value as version 3 has it; it throws Unreadable, or what hinders the registry. */
  async decode(value) {
    if (!value || value.length < 5 || value[0] !== 0) {
      throw new Unreadable('no frame of a schema registry')
    }
    const id = value.readUInt32BE(1)
    if (!this.#known.has(id)) {
      this.#known.set(id, await this.#find(id))
    }
    const { resolver, reason } = this.#known.get(id)
    if (reason) {
      throw new Unreadable(reason)
    }
    try { // here fields are matched by name, floats widened, and defaults filled in
      return reader.fromBuffer(value.subarray(5), resolver)
    } catch (error) {
      throw new Unreadable(`schema ${id}: ${error.message}`)
    }
  }

  async #find(id) {
    const text = await this.#ask(id)
    if (text === undefined) {
      return { reason: `the registry has no schema ${id}` }
    }
    try {
      return { resolver: reader.createResolver(avro.Type.forSchema(JSON.parse(text))) }
    } catch (error) { // another kind of schema than Avro, or one that version 3 cannot read
      return { reason: `schema ${id}: ${error.message}` }
    }
  }

  async #ask(id) {
    try {
      const answer = await fetch(`${this.#registry}/schemas/ids/${id}`, { signal: AbortSignal.timeout(WAIT_MS) })
      if (answer.status === 404) return undefined
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
      return (await answer.json()).schema
    } catch (error) {
      throw new Error(`schema registry at ${new URL(this.#registry).host}: ${reason(error)}`)
    }
  }
}
