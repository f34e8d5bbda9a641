import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.commons.codec.digest.Blake3;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** A service that knows the bank by its topics alone: it pays salaries, and watches what becomes of them. */
public final class Client {
    private static final String USAGE = """
            client SERVERS APP pay RUN json|packed     pays each line "ACCOUNT AMOUNT" that it reads, once for ever
            client SERVERS APP watch events|rejects    prints what the bank says, each record once, until stopped""";

    private static final String ACTOR = "payroll";

    public static void main(String[] words) throws Exception {
        if (words.length == 5 && words[2].equals("pay") && List.of("json", "packed").contains(words[4])) {
            pay(words[0], words[1], words[3], words[4].equals("packed"));
        } else if (words.length == 4 && words[2].equals("watch") && List.of("events", "rejects").contains(words[3])) {
            watch(words[0], words[1] + "." + words[3]);
        } else {
            System.err.println(USAGE);
            System.exit(2);
        }
    }

    // --- asking ---

    private static void pay(String servers, String app, String run, boolean packed) throws Exception {
        // The intent must come into the partition of its page: (murmur2(key) & 0x7fffffff) mod partitions, over the
        // page's key as text. Kafka's own client computes that from the record key, as long as the record names no
        // partition and neither `partitioner.class` nor `partitioner.ignore.keys` is set.
        // And no transactions: their records are rejected.
        var producer = new KafkaProducer<byte[], byte[]>(
                Map.of("bootstrap.servers", servers), new ByteArraySerializer(), new ByteArraySerializer());
        var sent = new ArrayList<Future<?>>();
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (producer) {
            for (String line; (line = lines.readLine()) != null; ) {
                if (!line.matches("\\d+ -?\\d+")) {
                    throw new IllegalArgumentException("expected ACCOUNT AMOUNT, found \"" + line + "\"");
                }
                String[] numbers = line.split(" ");
                long account = Long.parseLong(numbers[0]);
                long amount = Long.parseLong(numbers[1]);
                // The same line of the same run has the same id, so a run that is repeated, after a crash or in
                // doubt, pays nobody twice.
                String id = run + "/" + (sent.size() + 1);
                byte[] value = packed ? packed(id, run, account, amount) : json(id, run, account, amount);
                sent.add(producer.send(new ProducerRecord<>(app + ".intents", utf8(Long.toString(account)), value)));
            }
            for (Future<?> each : sent) {
                each.get(); // throws if it may not have been kept: then repeat the run
            }
        }
        System.out.println("sent " + sent.size());
    }

    /** docs/formats.md, section 5. */
    private static byte[] json(String id, String run, long account, long amount) throws IOException {
        return new ObjectMapper().writeValueAsBytes(Map.of(
                "@type", "Deposit", "@id", id, "@actor", ACTOR, "@reason", run, "account", account, "amount", amount));
    }

    /** docs/formats.md, section 4: the same intent in fewer bytes, which the bank takes faster. */
    private static byte[] packed(String id, String run, long account, long amount) {
        byte[] type = Blake3.hash(utf8("intent Deposit{account:u64,amount:i64}"));
        byte[] metadata = metadata(ACTOR, run);
        return ByteBuffer.allocate(48 + metadata.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(utf8("MMI\u0001"))
                .put((byte) (1 | 4)) // it has an id and metadata
                .put((byte) 0) // and no source
                .putShort((short) 2) // words of arguments
                .put(type, 0, 8) // the id of the type, whose bytes are in this order already
                .put(Blake3.hash(utf8(id)), 0, 16)
                .putLong(account)
                .putLong(amount)
                .put(metadata)
                .array();
    }

    /** docs/formats.md, section 3: entries 1 and 2. */
    private static byte[] metadata(String actor, String reason) {
        byte[][] texts = {utf8(actor), utf8(reason)};
        int size = 8 + Arrays.stream(texts).mapToInt(text -> padded(4 + text.length)).sum();
        var block = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        block.putShort((short) 1).putShort((short) texts.length).putInt(size);
        for (int n = 0; n < texts.length; n++) {
            block.putShort((short) (n + 1)).putShort((short) texts[n].length).put(texts[n]);
            block.position(padded(block.position()));
        }
        return block.array();
    }

    private static int padded(int size) {
        return (size + 7) / 8 * 8;
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    // --- hearing ---

    private static void watch(String servers, String topic) {
        // What this prints is gone when it ends, so it begins at the topic's beginning each time, without any marks.
        // A service that keeps what it makes of the records keeps the marks with it, in one transaction, and goes on
        // there.
        var marks = new HashMap<ByteBuffer, byte[]>(); // by source, the highest that was seen
        var consumer = new KafkaConsumer<>(
                Map.<String, Object>of("bootstrap.servers", servers),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        try (consumer) {
            var partitions = consumer.partitionsFor(topic).stream()
                    .map(each -> new TopicPartition(topic, each.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (true) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    Header mark = record.headers().lastHeader("mmsb");
                    if (mark != null && isNew(marks, mark.value())) { // without a mark, somebody else put it there
                        System.out.writeBytes(record.value());
                        System.out.println();
                    }
                }
            }
        }
    }

    /** docs/formats.md, section 23: whether the record is none that was there before. If so, it is remembered. */
    private static boolean isNew(Map<ByteBuffer, byte[]> marks, byte[] mark) {
        var source = ByteBuffer.wrap(mark, 0, 16);
        byte[] highest = marks.get(source);
        if (highest != null && Arrays.compareUnsigned(mark, highest) <= 0) {
            return false;
        }
        marks.put(source, mark);
        return true;
    }
}
