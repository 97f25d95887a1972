import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaParseException;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Prints the machine readings of a topic, whichever version of the schema they were written in. */
public class Consumer {
    static final Duration WAIT = Duration.ofSeconds(5);

    /** The record's fault: another try would end the same way. */
    static class Unreadable extends Exception {
        Unreadable(String reason) {
            super(reason);
        }
    }

    /** Decodes framed values, asking the registry once for each writer's schema. */
    static class Readings {
        final HttpClient http = HttpClient.newBuilder().connectTimeout(WAIT).build();
        final String registry = setting("SCHEMA_REGISTRY", "http://localhost:8081");
        final Schema reader;
        final Map<Integer, GenericDatumReader<GenericRecord>> known = new HashMap<>();

        Readings() throws IOException {
            reader = new Schema.Parser().parse(Path.of("machine-sensor.v3.avsc").toFile());
        }

        GenericRecord decode(byte[] value) throws Unreadable, IOException, InterruptedException {
            if (value == null || value.length < 5 || value[0] != 0) {
                throw new Unreadable("no frame of a schema registry");
            }
            int id = ByteBuffer.wrap(value, 1, 4).getInt();
            if (!known.containsKey(id)) {
                known.put(id, find(id));
            }
            if (known.get(id) == null) {
                throw new Unreadable("the registry has no Avro schema " + id);
            }
            try { // here fields are matched by name, floats widened, and defaults filled in
                return known.get(id).read(null, DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null));
            } catch (AvroRuntimeException | IOException e) {
                throw new Unreadable("schema " + id + ": " + e);
            }
        }

        GenericDatumReader<GenericRecord> find(int id) throws IOException, InterruptedException {
            URI uri = URI.create(registry + "/schemas/ids/" + id);
            HttpResponse<String> answer;
            try {
                answer = http.send(HttpRequest.newBuilder(uri).timeout(WAIT).build(), BodyHandlers.ofString());
            } catch (IOException e) {
                throw new IOException("no schema registry at " + registry + " (SCHEMA_REGISTRY names it)", e);
            }
            if (answer.statusCode() == 404) {
                return null;
            }
            if (answer.statusCode() != 200) {
                throw new IOException(uri + ": HTTP " + answer.statusCode());
            }
            String text = new ObjectMapper().readTree(answer.body()).get("schema").asText();
            try {
                return new GenericDatumReader<>(new Schema.Parser().parse(text), reader);
            } catch (SchemaParseException e) { // another kind of schema
                return null;
            }
        }
    }

    /** What a reading adds to the digest; sums do not depend on the order of partitions. */
    static long number(GenericRecord r) throws Exception {
        String bits = HexFormat.of().toHexDigits(Double.doubleToRawLongBits((Double) r.get("value")));
        String text = String.join("|", r.get("machine").toString(), r.get("sensor").toString(),
            r.get("units").toString(), bits, r.get("timestamp").toString(), r.get("seq").toString(),
            r.get("quality").toString(), r.get("machine_id").toString());
        byte[] sum = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        return ByteBuffer.wrap(sum).getLong();
    }

    static void print(GenericRecord r) {
        Instant time = Instant.EPOCH.plus((Long) r.get("timestamp"), ChronoUnit.MICROS); // 1970: the writer did not say
        System.out.println(String.join(" ", r.get("machine").toString(), r.get("sensor").toString(),
            r.get("value").toString(), r.get("units").toString(), time.toString()));
    }

    static void read(KafkaConsumer<byte[], byte[]> consumer, long limit) throws Exception {
        Readings readings = new Readings();
        long records = 0, skipped = 0, digest = 0;
        try {
            while (records + skipped < limit) {
                Map<TopicPartition, OffsetAndMetadata> done = new HashMap<>();
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    try {
                        GenericRecord reading = readings.decode(record.value());
                        records++;
                        digest += number(reading);
                        print(reading);
                    } catch (Unreadable e) {
                        skipped++;
                        System.err.printf("partition %d, offset %d: %s%n",
                            record.partition(), record.offset(), e.getMessage());
                    }
                    done.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
                    if (records + skipped == limit) {
                        break;
                    }
                }
                try {
                    consumer.commitSync(done); // what has been printed is not read again by this group
                } catch (RebalanceInProgressException | CommitFailedException e) {
                    // but where another member took over meanwhile
                }
            }
        } catch (WakeupException e) {
            // interrupted
        }
        if (skipped > 0) {
            System.err.println("unreadable=" + skipped);
        }
        System.out.printf("records=%d digest=%016x%n", records, digest);
    }

    static String setting(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    static void run() throws Exception {
        String asked = setting("RECORDS", Long.toString(Long.MAX_VALUE));
        if (!asked.matches("[1-9][0-9]{0,18}")) {
            throw new IllegalArgumentException("RECORDS must be a whole number above 0, got '" + asked + "'");
        }
        long limit = Long.parseLong(asked);
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", setting("KAFKA_BOOTSTRAP", "localhost:9092"),
            "group.id", setting("GROUP", "fleet-example-java"),
            "auto.offset.reset", "earliest",
            "enable.auto.commit", false,
            "allow.auto.create.topics", false);
        String topic = setting("TOPIC", "factory.readings");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            try {
                if (consumer.partitionsFor(topic, WAIT).isEmpty()) {
                    System.err.println("waiting for a topic " + topic + " (TOPIC names it)");
                }
            } catch (TimeoutException e) { // poll() would wait for ever
                throw new IOException("no Kafka at " + settings.get("bootstrap.servers") + " (KAFKA_BOOTSTRAP names it)", e);
            }
            Thread reading = Thread.currentThread();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> { // Ctrl-C: what was read is counted and committed
                consumer.wakeup();
                try {
                    reading.join();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }));
            consumer.subscribe(List.of(topic));
            read(consumer, limit);
        }
    }

    public static void main(String[] arguments) {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
        try {
            run();
        } catch (Exception e) {
            System.err.println(e.getMessage());
            Runtime.getRuntime().halt(1); // exit() would wait for the hook, and the hook for us
        }
    }
}
