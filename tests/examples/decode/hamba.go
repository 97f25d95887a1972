package main

import "github.com/hamba/avro/v2"

func hamba(writer, reader string, body []byte) (any, []byte, error) {
	schema, err := resolved(writer, reader)
	if err != nil {
		return nil, nil, err
	}
	var value any
	from := avro.NewReader(nil, 0).Reset(body)
	from.ReadVal(schema, &value)
	if from.Error != nil {
		return nil, nil, from.Error
	}
	again, err := avro.Marshal(schema, value)
	return unwrapped(schema, value), again, err
}

func resolved(writer, reader string) (avro.Schema, error) {
	wrote, err := avro.ParseWithCache(writer, "", &avro.SchemaCache{})
	if err != nil || reader == "" {
		return wrote, err
	}
	reads, err := avro.ParseWithCache(reader, "", &avro.SchemaCache{})
	if err != nil {
		return nil, err
	}
	return avro.NewSchemaCompatibility().Resolve(reads, wrote)
}

// unwrapped takes values of unions out of the maps that name their branches.
func unwrapped(schema avro.Schema, value any) any {
	switch s := schema.(type) {
	case *avro.RefSchema:
		return unwrapped(s.Schema(), value)
	case *avro.RecordSchema:
		plain := map[string]any{}
		for _, field := range s.Fields() {
			if found, ok := value.(map[string]any)[field.Name()]; ok { // what the reader does not have is skipped
				plain[field.Name()] = unwrapped(field.Type(), found)
			}
		}
		return plain
	case *avro.ArraySchema:
		plain := []any{}
		for _, each := range value.([]any) {
			plain = append(plain, unwrapped(s.Items(), each))
		}
		return plain
	case *avro.MapSchema:
		plain := map[string]any{}
		for key, each := range value.(map[string]any) {
			plain[key] = unwrapped(s.Values(), each)
		}
		return plain
	case *avro.UnionSchema:
		if wrapped, ok := value.(map[string]any); ok {
			for _, each := range wrapped {
				return each
			}
		}
	}
	return value
}
