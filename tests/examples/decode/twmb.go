package main

import (
	"fmt"

	"github.com/twmb/avro"
)

func twmb(writer, reader string, body []byte) (any, []byte, error) {
	from, err := avro.Parse(writer)
	if err != nil {
		return nil, nil, err
	}
	to := from
	if reader != "" {
		if to, err = avro.Parse(reader); err != nil {
			return nil, nil, err
		}
		if from, err = avro.Resolve(from, to); err != nil {
			return nil, nil, err
		}
	}
	var value any
	rest, err := from.Decode(body, &value)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left", len(rest))
	}
	if err != nil {
		return nil, nil, err
	}
	again, err := to.Encode(value)
	return value, again, err
}
