package state

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// recordHeader precedes every value: a version and a checksum over bucket, key
// and payload. bbolt has no checksums of its own, so this is what tells a value
// with a flipped bit, or in the wrong place, from a good one.
const (
	recordVersion = 1
	recordHeader  = 5
)

var errRecord = errors.New("a record does not match its checksum")

func checksum(bucket, key, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by hash/crc32, on first use
	sum := crc32.Update(0, table, bucket)
	sum = crc32.Update(sum, table, key)
	return crc32.Update(sum, table, payload)
}

// seal returns the record of a payload.
func seal(bucket, key, payload []byte) []byte {
	rec := make([]byte, recordHeader, recordHeader+len(payload))
	rec[0] = recordVersion
	binary.BigEndian.PutUint32(rec[1:], checksum(bucket, key, payload))
	return append(rec, payload...)
}

// open returns the payload of a record. It points into the record.
func open(bucket, key, rec []byte) ([]byte, error) {
	if len(rec) < recordHeader || rec[0] != recordVersion {
		return nil, fmt.Errorf("%w: %s %q", errRecord, bucket, key)
	}
	payload := rec[recordHeader:]
	if binary.BigEndian.Uint32(rec[1:]) != checksum(bucket, key, payload) {
		return nil, fmt.Errorf("%w: %s %q", errRecord, bucket, key)
	}
	return payload, nil
}

// decode reads a JSON payload. It has passed its checksum, so an error means a
// program that wrote it differently.
func decode[T any](payload []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(payload, v); err != nil {
		return nil, fmt.Errorf("decode a record: %w", err)
	}
	return v, nil
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("state: a record does not encode: " + err.Error())
	}
	return data
}
