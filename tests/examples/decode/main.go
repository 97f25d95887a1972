// Reads Avro bodies with a Go library and writes what it found, and the bytes that the library writes of that.
//
// Of each line of standard input, {"writer": schema, "reader": schema or "", "body": hexadecimal}, it makes a line of
// standard output, {"value": ..., "again": hexadecimal} or {"error": ...}: see tests/examples/decoders.py.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"
)

type asked struct {
	Writer, Reader, Body string
}

type answer struct {
	Value any    `json:"value"`
	Again string `json:"again"`
	Error string `json:"error,omitempty"`
}

// library decodes a body, as the reader has it if there is a reader, and encodes what it found in the same schema.
type library func(writer, reader string, body []byte) (value any, again []byte, err error)

var libraries = map[string]library{"hamba": hamba, "twmb": twmb}

// dump makes a value plain: instants are microseconds, floating point numbers the bits of a double.
func dump(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UnixMicro()
	case float32:
		return dump(float64(v))
	case float64:
		if math.IsNaN(v) {
			return "nan"
		}
		return fmt.Sprintf("%016x", math.Float64bits(v))
	case map[string]any:
		plain := map[string]any{}
		for name, each := range v {
			plain[name] = dump(each)
		}
		return plain
	case []any:
		plain := []any{}
		for _, each := range v {
			plain = append(plain, dump(each))
		}
		return plain
	}
	return value
}

func main() {
	decode := libraries[os.Args[1]]
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var ask asked
		if err := in.Decode(&ask); err != nil {
			panic(err)
		}
		body, err := hex.DecodeString(ask.Body)
		if err != nil {
			panic(err)
		}
		var told answer
		value, again, err := decode(ask.Writer, ask.Reader, body)
		if err != nil {
			told.Error = err.Error()
		} else {
			told.Value, told.Again = dump(value), hex.EncodeToString(again)
		}
		if err := out.Encode(told); err != nil {
			panic(err)
		}
	}
}
