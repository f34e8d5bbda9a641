// A service that knows the bank by its topics alone: it pays salaries, and watches what becomes of them.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"lukechampine.com/blake3"
)

const usage = `client SERVERS APP pay RUN json|packed     pays each line "ACCOUNT AMOUNT" that it reads, once for ever
client SERVERS APP watch events|rejects    prints what the bank says, each record once, until stopped`

const actor = "payroll"

func main() {
	log.SetFlags(0)
	words := os.Args[1:]
	var err error
	switch {
	case len(words) == 5 && words[2] == "pay" && (words[4] == "json" || words[4] == "packed"):
		err = pay(strings.Split(words[0], ","), words[1], words[3], words[4] == "packed")
	case len(words) == 4 && words[2] == "watch" && (words[3] == "events" || words[3] == "rejects"):
		err = watch(strings.Split(words[0], ","), words[1]+"."+words[3])
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// --- asking ---

func pay(servers []string, app, run string, packed bool) error {
	records, err := salaries(app, run, packed)
	if err != nil {
		return err
	}
	// The intent must come into the partition of its page: (murmur2(key) & 0x7fffffff) mod partitions, over the page's
	// key as text. This partitioner computes that from the record key; nil stands for the hash of Kafka's Java client.
	// Other libraries for Go hash otherwise unless told: sarama by FNV-1a, confluent-kafka-go by CRC-32.
	// And no transactions: their records are rejected.
	client, err := kgo.NewClient(kgo.SeedBrokers(servers...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		return err // some may not have been kept: then repeat the run
	}
	fmt.Println("sent", len(records))
	return nil
}

// salaries are the intents that pay what the lines say.
func salaries(app, run string, packed bool) ([]*kgo.Record, error) {
	var records []*kgo.Record
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var account uint64
		var amount int64
		if _, err := fmt.Sscanf(lines.Text(), "%d %d", &account, &amount); err != nil {
			return nil, fmt.Errorf("expected ACCOUNT AMOUNT, found %q: %w", lines.Text(), err)
		}
		// The same line of the same run has the same id, so a run that is repeated, after a crash or in doubt, pays
		// nobody twice.
		id := fmt.Sprintf("%s/%d", run, len(records)+1)
		var value []byte
		if packed {
			value = packedDeposit(id, run, account, amount)
		} else {
			value = jsonDeposit(id, run, account, amount)
		}
		key := strconv.FormatUint(account, 10)
		records = append(records, &kgo.Record{Topic: app + ".intents", Key: []byte(key), Value: value})
	}
	return records, lines.Err()
}

// docs/formats.md, section 5.
func jsonDeposit(id, run string, account uint64, amount int64) []byte {
	value, err := json.Marshal(map[string]any{
		"@type": "Deposit", "@id": id, "@actor": actor, "@reason": run, "account": account, "amount": amount,
	})
	if err != nil {
		panic(err) // texts and integers always have a JSON form
	}
	return value
}

// docs/formats.md, section 4: the same intent in fewer bytes, which the bank takes faster.
func packedDeposit(id, run string, account uint64, amount int64) []byte {
	kind := blake3.Sum256([]byte("intent Deposit{account:u64,amount:i64}"))
	name := blake3.Sum256([]byte(id))
	value := []byte("MMI\x01")
	value = append(value, 1|4, 0)                      // it has an id and metadata, and no source
	value = binary.LittleEndian.AppendUint16(value, 2) // words of arguments
	value = append(value, kind[:8]...)                 // the id of the type, whose bytes are in this order already
	value = append(value, name[:16]...)                // the id of the intent
	value = binary.LittleEndian.AppendUint64(value, account)
	value = binary.LittleEndian.AppendUint64(value, uint64(amount))
	return append(value, metadata(actor, run)...)
}

// docs/formats.md, section 3: entries 1 and 2.
func metadata(actor, reason string) []byte {
	var entries []byte
	for n, text := range []string{actor, reason} {
		entries = binary.LittleEndian.AppendUint16(entries, uint16(n+1))
		entries = binary.LittleEndian.AppendUint16(entries, uint16(len(text)))
		entries = append(entries, text...)
		for len(entries)%8 != 0 {
			entries = append(entries, 0)
		}
	}
	block := binary.LittleEndian.AppendUint16(nil, 1)
	block = binary.LittleEndian.AppendUint16(block, 2)
	block = binary.LittleEndian.AppendUint32(block, uint32(8+len(entries)))
	return append(block, entries...)
}

// --- hearing ---

func watch(servers []string, topic string) error {
	// What this prints is gone when it ends, so it begins at the topic's beginning each time, without any marks.
	// A service that keeps what it makes of the records keeps the marks with it, in one transaction, and goes on there.
	marks := map[string][]byte{} // by source, the highest that was seen
	client, err := kgo.NewClient(
		kgo.SeedBrokers(servers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetched := client.PollFetches(context.Background())
		if err := fetched.Err(); err != nil {
			return err
		}
		fetched.EachRecord(func(record *kgo.Record) {
			for _, header := range record.Headers { // without a mark, somebody else put it there
				if header.Key == "mmsb" && isNew(marks, header.Value) {
					fmt.Printf("%s\n", record.Value)
				}
			}
		})
	}
}

// docs/formats.md, section 23: whether the record is none that was there before. If so, it is remembered.
func isNew(marks map[string][]byte, mark []byte) bool {
	source := string(mark[:16])
	if bytes.Compare(mark, marks[source]) <= 0 {
		return false
	}
	marks[source] = bytes.Clone(mark) // or all of the broker's answer stays in memory
	return true
}
