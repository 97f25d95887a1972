// What main.go is for Go's libraries, for avsc.
import { createInterface } from 'node:readline'
import avro from 'avsc'

// As numbers, which is avsc's way without this, longs end at 2^53.
const long = avro.types.LongType.__with({
  fromBuffer: (bytes) => bytes.readBigInt64LE(),
  toBuffer: (value) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value) => typeof value === 'bigint',
  compare: (one, other) => Number(one > other) - Number(one < other),
})

// By a hook and not by name, so that a long with a logical type is one as well.
const typeHook = (schema) => (schema === 'long' || schema.type === 'long' ? long : undefined)

const parse = (text) => avro.Type.forSchema(JSON.parse(text), { typeHook, wrapUnions: 'always' })

/** Makes a value plain: floating point numbers are the bits of a double, unions what is in them. */
function dump(type, value) {
  switch (type.typeName) {
    case 'record':
      return Object.fromEntries(type.fields.map((field) => [field.name, dump(field.type, value[field.name])]))
    case 'array':
      return value.map((each) => dump(type.itemsType, each))
    case 'map':
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, dump(type.valuesType, each)]))
    case 'union:wrapped': {
      if (value === null) return null
      const [[branch, held]] = Object.entries(value)
      return dump(type.types.find((each) => each.branchName === branch), held)
    }
    case 'float':
    case 'double': {
      const bits = Buffer.alloc(8)
      bits.writeDoubleBE(value)
      return Number.isNaN(value) ? 'nan' : bits.toString('hex')
    }
    default:
      return typeof value === 'bigint' ? JSON.rawJSON(`${value}`) : value
  }
}

function answer({ writer, reader, body }) {
  try {
    const [from, to] = [parse(writer), parse(reader || writer)]
    const value = to.fromBuffer(Buffer.from(body, 'hex'), reader ? to.createResolver(from) : undefined)
    return { value: dump(to, value), again: to.toBuffer(value).toString('hex') }
  } catch (error) {
    return { error: error.message }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + '\n')
}
