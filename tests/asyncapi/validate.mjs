// What AsyncAPI's own parser says of a document, and Avro's parser of the schemas in it: as JSON.
import { Parser, fromFile } from '@asyncapi/parser';
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';
import { ProtoBuffSchemaParser } from '@asyncapi/protobuf-schema-parser';

const avro = AvroSchemaParser();
const parser = new Parser();
parser.registerSchemaParser(avro);
parser.registerSchemaParser(ProtoBuffSchemaParser());
const { document, diagnostics } = await fromFile(parser, process.argv[2]).parse();
const messages = {};
for (const message of document?.components().messages().all() ?? []) {
  const payload = message.json().payload;
  const original = payload['x-parser-original-payload'];
  messages[message.id()] = {
    format: payload.schemaFormat ?? message.json()['x-parser-original-schema-format'] ?? message.schemaFormat(),
    fields: Object.keys(message.payload().json().schema?.properties ?? message.payload().json().properties ?? {}),
    examples: message.examples().all().length,
    // The parser does not look into Avro itself where the document is AsyncAPI 3.
    avro: typeof original === 'object' ? (await avro.validate({ data: original, path: [] })).map(each => each.message) : [],
  };
}
console.log(JSON.stringify({
  version: document?.version() ?? null,
  wrong: diagnostics.filter(each => each.severity <= 1).map(each => `${each.path.join('/')}: ${each.message}`),
  hints: diagnostics.filter(each => each.severity > 1).map(each => `${each.path.join('/')}: ${each.message}`),
  servers: document?.servers().all().map(each => each.id()) ?? [],
  channels: Object.fromEntries((document?.channels().all() ?? []).map(each => [each.id(), each.address()])),
  operations: document?.operations().all().map(each => `${each.action()} ${each.id()}`) ?? [],
  messages,
}));
