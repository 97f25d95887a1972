// Prints the machine readings of a topic, whichever version of the schema they were written in.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr"
)

const (
	pollMax     = 1000 // records a poll
	connectWait = 10 * time.Second
)

// number is what a reading adds to the digest; sums do not depend on the order of partitions.
func number(r MachineSensor) uint64 {
	text := fmt.Sprintf("%s|%s|%s|%016x|%d|%d|%s|%s", r.Machine, r.Sensor, r.Units,
		math.Float64bits(r.Value), r.Timestamp.UnixMicro(), r.Seq, r.Quality, r.MachineID)
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:8])
}

func run(ctx context.Context) error {
	limit, err := strconv.Atoi(setting("RECORDS", strconv.Itoa(math.MaxInt)))
	if err != nil || limit < 1 {
		return fmt.Errorf("RECORDS must be a whole number above 0, got %q", os.Getenv("RECORDS"))
	}
	registry, err := sr.NewClient(sr.URLs(setting("SCHEMA_REGISTRY", "http://localhost:8081")))
	if err != nil {
		return fmt.Errorf("SCHEMA_REGISTRY: %w", err)
	}
	schemas := schemas{registry, map[int]resolved{}}
	bootstrap := setting("KAFKA_BOOTSTRAP", "localhost:9092")
	topic := setting("TOPIC", "factory.readings")
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumerGroup(setting("GROUP", "fleet-example-go")),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // auto.offset.reset=earliest
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), // no partition goes to another member between poll and commit
	)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	if err := lookFor(ctx, client, topic); err != nil {
		return fmt.Errorf("no Kafka at %s (KAFKA_BOOTSTRAP names it): %w", bootstrap, err)
	}
	return read(ctx, client, &schemas, limit)
}

// lookFor fails where there is no Kafka, and says where there is no topic: polls would wait for either without a word.
func lookFor(ctx context.Context, client *kgo.Client, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, asked)
	answer, err := request.RequestWith(ctx, client)
	if err == nil && answer.Topics[0].ErrorCode != 0 {
		fmt.Fprintf(os.Stderr, "waiting for a topic %s (TOPIC names it)\n", topic)
	}
	return err
}

func read(ctx context.Context, client *kgo.Client, schemas *schemas, limit int) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	whole := context.WithoutCancel(ctx) // an interrupt ends the wait for records, not the work on them
	records, skipped, digest := 0, 0, uint64(0)
	for records+skipped < limit {
		fetches := client.PollRecords(ctx, min(pollMax, limit-records-skipped))
		if ctx.Err() != nil {
			break // interrupted
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			reading, err := schemas.decode(whole, record.Value)
			if bad := (unreadable{}); errors.As(err, &bad) {
				skipped++
				fmt.Fprintf(os.Stderr, "partition %d, offset %d: %v\n", record.Partition, record.Offset, err)
				continue
			} else if err != nil {
				return err
			}
			records++
			digest += number(reading)
			fmt.Fprintln(out, reading.Machine, reading.Sensor, reading.Value, reading.Units,
				reading.Timestamp.UTC().Format(time.RFC3339Nano))
		}
		out.Flush()
		// What has been printed is not read again by this group.
		if err := client.CommitUncommittedOffsets(whole); err != nil {
			return err
		}
		client.AllowRebalance()
	}
	if skipped > 0 {
		fmt.Fprintf(os.Stderr, "unreadable=%d\n", skipped)
	}
	fmt.Fprintf(out, "records=%d digest=%016x\n", records, digest)
	return nil
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
