// Sends an event whenever a door of a factory opens or closes, as version 2 of MachineEvent.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

const wait = 10 * time.Second // for Kafka's and the registry's answers

//go:embed machine-event.v2.avsc
var schemaText string
var schema = avro.MustParse(schemaText)

// MachineEvent has the fields of the schema; what a door has no use for stays zero.
type MachineEvent struct {
	Machine   string    `avro:"machine"` // where the door is; also the record's key
	Line      string    `avro:"line"`
	Type      string    `avro:"type"`
	State     string    `avro:"state"`
	Cause     string    `avro:"cause"`
	Parts     int64     `avro:"parts"`
	Timestamp time.Time `avro:"timestamp"`
	Seq       int64     `avro:"seq"` // of this door's events: 0, 1, 2, ...
	Scrap     int64     `avro:"scrap"`
	Product   string    `avro:"product"`
	Lot       int64     `avro:"lot"`
}

// producer sends events framed with the id that the registry gave their schema.
type producer struct {
	client *kgo.Client
	topic  string
	id     int
}

func (p *producer) send(ctx context.Context, event MachineEvent) error {
	frame, err := new(sr.ConfluentHeader).AppendEncode(nil, p.id, nil)
	if err != nil {
		return err
	}
	value, err := schema.AppendEncode(frame, &event)
	if err != nil {
		return err
	}
	record := kgo.Record{Topic: p.topic, Key: []byte(event.Machine), Value: value, Timestamp: event.Timestamp}
	return p.client.ProduceSync(ctx, &record).FirstErr()
}

func register(ctx context.Context, topic string) (int, error) {
	url := setting("SCHEMA_REGISTRY", "http://localhost:8081")
	registry, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		return 0, fmt.Errorf("SCHEMA_REGISTRY: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	// Registering what is there already gives the id that it has.
	registered, err := registry.CreateSchema(ctx, topic+"-value", sr.Schema{Schema: schemaText, Type: sr.TypeAvro})
	if err != nil {
		return 0, fmt.Errorf("schema registry: %w", err)
	}
	return registered.ID, nil
}

func run(ctx context.Context) error {
	limit, err := strconv.ParseInt(setting("RECORDS", strconv.Itoa(math.MaxInt)), 10, 64)
	if err != nil || limit < 1 {
		return fmt.Errorf("RECORDS must be a whole number above 0, got %q", os.Getenv("RECORDS"))
	}
	pause, err := time.ParseDuration(setting("PAUSE", "1s"))
	if err != nil {
		return fmt.Errorf("PAUSE must be a time such as 1s or 20ms, got %q", os.Getenv("PAUSE"))
	}
	topic := setting("TOPIC", "factory.events")
	id, err := register(ctx, topic)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient( // idempotent, and acknowledged by all replicas, unless told otherwise
		kgo.SeedBrokers(setting("KAFKA_BOOTSTRAP", "localhost:9092")),
		kgo.RecordDeliveryTimeout(wait),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	return operate(ctx, &producer{client, topic, id}, limit, pause)
}

// operate opens and closes doors by chance until *limit* events are sent or it is interrupted.
func operate(ctx context.Context, out *producer, limit int64, pause time.Duration) error {
	places := strings.Split(setting("DOORS", "north-gate,south-gate,loading-dock"), ",")
	changes := make([]int64, len(places)) // of each door; an odd one closes it
	for sent := int64(0); ; {
		door := rand.IntN(len(places))
		state := [2]string{"open", "closed"}[changes[door]%2]
		event := MachineEvent{Machine: places[door], Line: "doors", Type: "door", State: state,
			Timestamp: time.Now(), Seq: changes[door]}
		if err := out.send(context.WithoutCancel(ctx), event); err != nil {
			return err
		}
		changes[door]++
		sent++
		fmt.Println(event.Machine, event.State, event.Timestamp.UTC().Format(time.RFC3339Nano))
		if sent == limit {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
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
