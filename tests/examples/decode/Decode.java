import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** What main.go is for Go's libraries, for Apache Avro in Java. */
public class Decode {
    /** Makes a value plain: instants are microseconds, floating point numbers the bits of a double. */
    static Object dump(Object value) {
        if (value instanceof IndexedRecord record) {
            Map<String, Object> plain = new LinkedHashMap<>();
            record.getSchema().getFields().forEach(field -> plain.put(field.name(), dump(record.get(field.pos()))));
            return plain;
        }
        if (value instanceof Map<?, ?> map) {
            Map<String, Object> plain = new LinkedHashMap<>();
            map.forEach((key, each) -> plain.put(key.toString(), dump(each)));
            return plain;
        }
        if (value instanceof Collection<?> list) {
            return list.stream().map(Decode::dump).toList();
        }
        if (value instanceof Float || value instanceof Double) {
            double number = ((Number) value).doubleValue();
            return Double.isNaN(number) ? "nan" : HexFormat.of().toHexDigits(Double.doubleToRawLongBits(number));
        }
        return value instanceof Number || value == null ? value : value.toString(); // texts and symbols
    }

    static ObjectNode answer(ObjectMapper json, JsonNode asked) {
        ObjectNode told = json.createObjectNode();
        byte[] body = HexFormat.of().parseHex(asked.get("body").asText());
        try {
            Schema writer = new Schema.Parser().parse(asked.get("writer").asText());
            String other = asked.get("reader").asText();
            Schema reader = other.isEmpty() ? writer : new Schema.Parser().parse(other);
            var decoder = DecoderFactory.get().binaryDecoder(body, null);
            Object value = new GenericDatumReader<>(writer, reader).read(null, decoder);
            if (!decoder.isEnd()) {
                return told.put("error", "bytes are left");
            }
            ByteArrayOutputStream again = new ByteArrayOutputStream();
            BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(again, null);
            new GenericDatumWriter<>(reader).write(value, encoder);
            encoder.flush();
            told.set("value", json.valueToTree(dump(value)));
            return told.put("again", HexFormat.of().formatHex(again.toByteArray()));
        } catch (AvroRuntimeException | IOException e) {
            return told.put("error", e.toString());
        }
    }

    public static void main(String[] arguments) throws IOException {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
        ObjectMapper json = new ObjectMapper();
        var lines = json.readerFor(JsonNode.class).<JsonNode>readValues(System.in);
        StringBuilder told = new StringBuilder();
        while (lines.hasNext()) {
            told.append(json.writeValueAsString(answer(json, lines.next()))).append("\n");
        }
        System.out.write(told.toString().getBytes("UTF-8"));
        System.out.flush();
    }
}
