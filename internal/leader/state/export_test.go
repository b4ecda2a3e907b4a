package state

import (
	"time"

	"go.etcd.io/bbolt"
)

// SetOpenTimeout bounds the wait for bbolt's lock until the function returned is called.
func SetOpenTimeout(d time.Duration) (restore func()) {
	old := openTimeout
	openTimeout = d
	return func() { openTimeout = old }
}

// SetStateFormat makes the program one that knows state.db up to that version and
// can bring it there from the one before, until the function returned is called.
func SetStateFormat(version uint32, step func(*bbolt.Tx) error) (restore func()) {
	old := *stateKind
	stateKind.format = version
	stateKind.migrations = map[uint32]migration{version - 1: step}
	return func() { *stateKind = old }
}

// DecodeMeta and EncodeMeta are the codec of variables.
func DecodeMeta(payload []byte) (VariableMeta, error) {
	var m VariableMeta
	err := decodeMeta(payload, &m)
	return m, err
}

func EncodeMeta(m VariableMeta) []byte { return encodeMeta(&m) }
