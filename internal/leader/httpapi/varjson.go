package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// Variables are written by hand, not with reflection: they are read more often
// than anything else, and their items are JSON already.

// appendVariable writes a variable, its lock only where that may be seen, and its
// items unless there are none.
func appendVariable(b []byte, m *state.VariableMeta, items []byte, lock bool) []byte {
	b = append(b, `{"CreateIndex":`...)
	b = strconv.AppendUint(b, m.CreateIndex, 10)
	b = append(b, `,"CreateTime":`...)
	b = strconv.AppendInt(b, m.CreateTime, 10)
	if len(items) > len(`{}`) {
		b = append(append(b, `,"Items":`...), items...)
	}
	if lock && m.Lock != nil {
		b = append(b, `,"Lock":{"ID":`...)
		b = appendString(b, m.Lock.ID)
		b = append(b, `,"LockDelay":`...)
		b = appendDuration(b, m.Lock.LockDelay)
		b = append(b, `,"TTL":`...)
		b = appendDuration(b, m.Lock.TTL)
		b = append(b, '}')
	}
	b = append(b, `,"ModifyIndex":`...)
	b = strconv.AppendUint(b, m.ModifyIndex, 10)
	b = append(b, `,"ModifyTime":`...)
	b = strconv.AppendInt(b, m.ModifyTime, 10)
	b = append(b, `,"Namespace":`...)
	b = appendString(b, m.Namespace)
	b = append(b, `,"Path":`...)
	b = appendString(b, m.Path)
	return append(b, '}')
}

// appendDuration writes a duration as Nomad does those of a lock: zero is empty.
func appendDuration(b []byte, d time.Duration) []byte {
	if d == 0 {
		return append(b, `""`...)
	}
	return appendString(b, d.String())
}

// appendString writes a string as JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a string always encodes
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// encodeItems writes the items of a variable as they are stored: JSON, ordered,
// and without escapes that only HTML needs.
func encodeItems(items map[string]string) []byte {
	if len(items) == 0 {
		return []byte(`{}`)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(items); err != nil {
		panic("httpapi: a map of strings does not encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
