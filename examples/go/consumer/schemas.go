package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"
)

//go:embed machine-sensor.v3.avsc
var readerText string
var reader = avro.MustParse(readerText)

// MachineSensor is version 3: what older versions lack has its default.
type MachineSensor struct {
	Machine   string    `avro:"machine"`
	Sensor    string    `avro:"sensor"`
	Units     string    `avro:"units"`
	Value     float64   `avro:"value"`
	Timestamp time.Time `avro:"timestamp"` // 1970 where the writer did not say
	Seq       int64     `avro:"seq"`
	Quality   string    `avro:"quality"`
	MachineID string    `avro:"machine_id"`
}

// schemas are the writers' schemas by id, each asked for once and resolved to the reader's.
type schemas struct {
	registry *sr.Client
	known    map[int]resolved
}

type resolved struct {
	schema avro.Schema
	err    error
}

// unreadable is the record's fault: another try would end the same way.
type unreadable struct{ error }

func (s *schemas) decode(ctx context.Context, value []byte) (reading MachineSensor, err error) {
	id, body, err := new(sr.ConfluentHeader).DecodeID(value)
	if err != nil {
		return reading, unreadable{err}
	}
	schema, err := s.find(ctx, id)
	if err != nil {
		return reading, err
	}
	// Not avro.Unmarshal: to that a body that is cut off between two fields is a whole one.
	from := avro.NewReader(nil, 0).Reset(body)
	from.ReadVal(schema, &reading)
	if from.Error != nil {
		return reading, unreadable{from.Error}
	}
	return reading, nil
}

func (s *schemas) find(ctx context.Context, id int) (avro.Schema, error) {
	if found, ok := s.known[id]; ok {
		return found.schema, found.err
	}
	var found resolved
	writer, err := s.registry.SchemaByID(ctx, id)
	if answered := (*sr.ResponseError)(nil); errors.As(err, &answered) && answered.StatusCode == 404 {
		found.err = unreadable{fmt.Errorf("the registry has no schema %d", id)}
	} else if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	} else if found.schema, err = resolve(writer.Schema); err != nil {
		found.err = unreadable{fmt.Errorf("schema %d: %w", id, err)}
	}
	s.known[id] = found
	return found.schema, found.err
}

func resolve(text string) (avro.Schema, error) {
	// All versions have one name: with a cache of its own a version does not take another one's place.
	writer, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		return nil, err
	}
	return avro.NewSchemaCompatibility().Resolve(reader, writer)
}
