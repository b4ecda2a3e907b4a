package msgpack_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-msgpack/v2/codec"

	"github.com/taskagent/taskagent/internal/nomad/msgpack"
)

// handle is set up as Nomad's is, in what it writes.
func handle() *codec.MsgpackHandle {
	h := &codec.MsgpackHandle{}
	h.RawToString = true
	h.TimeNotBuiltin = true
	return h
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	var b []byte
	if err := codec.NewEncoderBytes(&b, handle()).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b
}

func reader(b []byte) *msgpack.Reader {
	r := msgpack.NewReader(bytes.NewReader(b))
	r.Limit(int64(len(b)))
	return r
}

// TestAppendLikeNomad wants the very bytes that Nomad's own library writes.
func TestAppendLikeNomad(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want any
	}{
		"empty text":      {msgpack.AppendString(nil, ""), ""},
		"short text":      {msgpack.AppendString(nil, strings.Repeat("x", 31)), strings.Repeat("x", 31)},
		"32 bytes":        {msgpack.AppendString(nil, strings.Repeat("x", 32)), strings.Repeat("x", 32)},
		"300 bytes":       {msgpack.AppendString(nil, strings.Repeat("x", 300)), strings.Repeat("x", 300)},
		"70000 bytes":     {msgpack.AppendString(nil, strings.Repeat("x", 70000)), strings.Repeat("x", 70000)},
		"bytes":           {msgpack.AppendString(nil, []byte("secret")), "secret"},
		"0":               {msgpack.AppendUint(nil, 0), uint64(0)},
		"127":             {msgpack.AppendUint(nil, 127), uint64(127)},
		"128":             {msgpack.AppendUint(nil, 128), uint64(128)},
		"256":             {msgpack.AppendUint(nil, 256), uint64(256)},
		"65536":           {msgpack.AppendUint(nil, 65536), uint64(65536)},
		"largest":         {msgpack.AppendUint(nil, math.MaxUint64), uint64(math.MaxUint64)},
		"true":            {msgpack.AppendBool(nil, true), true},
		"false":           {msgpack.AppendBool(nil, false), false},
		"array":           {msgpack.AppendUint(msgpack.AppendArray(nil, 1), 7), []uint64{7}},
		"array of 20":     {append(msgpack.AppendArray(nil, 20), bytes.Repeat([]byte{1}, 20)...), bytesAsUints(20)},
		"array of 70000":  {append(msgpack.AppendArray(nil, 70000), bytes.Repeat([]byte{1}, 70000)...), bytesAsUints(70000)},
		"map":             {msgpack.AppendBool(msgpack.AppendString(msgpack.AppendMap(nil, 1), "k"), true), map[string]bool{"k": true}},
		"empty map":       {msgpack.AppendMap(nil, 0), map[string]bool{}},
		"map in an array": {msgpack.AppendMap(msgpack.AppendArray(nil, 1), 0), []map[string]bool{{}}},
	} {
		if want := encode(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s: got %x, want %x", name, head(c.got), head(want))
		}
	}
}

func bytesAsUints(n int) []uint64 {
	s := make([]uint64, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func head(b []byte) []byte { return b[:min(len(b), 16)] }

type inner struct {
	Name  string
	Times []uint64
}

// TestReadWhatNomadWrites reads a value the way an answer is read.
func TestReadWhatNomadWrites(t *testing.T) {
	data := encode(t, map[string]any{
		"Index": 1 << 40, "Small": 5, "Signed": int8(7), "Known": true, "Nothing": nil,
		"Name": strings.Repeat("n", 40), "Long": strings.Repeat("l", 5000),
		"Skipped": map[string]any{
			"floats": []float64{1.5, -2}, "f32": float32(1), "deep": []any{[]any{[]any{map[string]any{"a": nil}}}},
			"negative": []int64{-1, -33, -200, -70000, math.MinInt64}, "bytes": []byte{1, 2, 3},
		},
		"Inner": []inner{{"one", []uint64{1, 2}}, {"two", nil}},
	})
	type got struct {
		Index, Small, Signed, Nothing uint64
		Known                         bool
		Name, Long                    string
		Inner                         []inner
	}
	var g got
	r := reader(data)
	err := r.Fields(func(key string) (taken bool, err error) {
		switch key {
		case "Index":
			g.Index, err = r.Uint()
		case "Small":
			g.Small, err = r.Uint()
		case "Signed":
			g.Signed, err = r.Uint()
		case "Nothing":
			g.Nothing, err = r.Uint()
		case "Known":
			g.Known, err = r.Bool()
		case "Name":
			g.Name, err = r.Text(40)
		case "Long":
			g.Long, err = r.TextPrefix(3)
		case "Inner":
			n, err := r.Array()
			for range n {
				var in inner
				err = errors.Join(err, r.Fields(func(key string) (bool, error) {
					if key != "Name" {
						return false, nil
					}
					var err error
					in.Name, err = r.Text(10)
					return true, err
				}))
				g.Inner = append(g.Inner, in)
			}
			return true, err
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := got{1 << 40, 5, 7, 0, true, strings.Repeat("n", 40), "lll", []inner{{"one", nil}, {"two", nil}}}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Uint(); !errors.Is(err, msgpack.ErrTooLong) {
		t.Errorf("after the end of the limit: %v", err)
	}
}

func TestNilIsZero(t *testing.T) {
	r := reader([]byte{0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0})
	n, err1 := r.Map()
	m, err2 := r.Array()
	s, err3 := r.Text(1)
	p, err4 := r.TextPrefix(1)
	u, err5 := r.Uint()
	b, err6 := r.Bool()
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil || n != 0 || m != 0 || s != "" || p != "" || u != 0 || b {
		t.Errorf("got %v %v %q %q %v %v, %v", n, m, s, p, u, b, err)
	}
}

func TestRefused(t *testing.T) {
	skip := func(r *msgpack.Reader) error { return r.Skip() }
	text := func(r *msgpack.Reader) error { _, err := r.Text(4); return err }
	uints := func(r *msgpack.Reader) error { _, err := r.Uint(); return err }
	for name, c := range map[string]struct {
		data string
		read func(*msgpack.Reader) error
		want error
		text string
	}{
		"nothing":               {"", skip, io.EOF, "EOF"},
		"unused byte":           {"\xc1", skip, msgpack.ErrMalformed, "it is not the MessagePack that was expected: the byte 0xc1"},
		"text for a number":     {"\xa1x", uints, msgpack.ErrMalformed, "it is not the MessagePack that was expected: text instead of a number"},
		"negative number":       {"\xff", uints, msgpack.ErrMalformed, "it is not the MessagePack that was expected: a signed number instead of a number"},
		"number for text":       {"\x07", text, msgpack.ErrMalformed, "it is not the MessagePack that was expected: a number instead of text"},
		"long text":             {"\xa5hello", text, msgpack.ErrTooLong, "it is longer than allowed: text of 5 bytes, not 4 at most"},
		"4 GiB of text":         {"\xdb\xff\xff\xff\xff", text, msgpack.ErrTooLong, "it is longer than allowed: text of 4294967295 bytes, not 4 at most"},
		"4 GiB of text skipped": {"\xdb\xff\xff\xff\xff", skip, msgpack.ErrTooLong, "it is longer than allowed"},
		"huge map":              {"\xdf\xff\xff\xff\xff", skip, msgpack.ErrTooLong, "it is longer than allowed"},
		"huge map read":         {"\xdf\xff\xff\xff\xff", func(r *msgpack.Reader) error { _, err := r.Map(); return err }, msgpack.ErrTooLong, "it is longer than allowed"},
		"huge array":            {"\xdd\xff\xff\xff\xff", skip, msgpack.ErrTooLong, "it is longer than allowed"},
		"text instead of a map": {"\xa1x", func(r *msgpack.Reader) error { _, err := r.Map(); return err }, msgpack.ErrMalformed, "it is not the MessagePack that was expected: text instead of a map"},
		"number for a key":      {"\x81\x01\x01", func(r *msgpack.Reader) error { return r.Fields(nil) }, msgpack.ErrMalformed, "it is not the MessagePack that was expected: a number instead of text"},
	} {
		r := msgpack.NewReader(strings.NewReader(c.data))
		r.Limit(1 << 20)
		err := c.read(r)
		if !errors.Is(err, c.want) || err.Error() != c.text {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTorn cuts a value everywhere: never a wrong value, never a clean end.
func TestTorn(t *testing.T) {
	data := encode(t, map[string]any{"a": []any{1, "text", map[string]any{"x": 1.5, "y": 1 << 33}}, "b": strings.Repeat("z", 300)})
	for i := range data {
		r := msgpack.NewReader(iotest.OneByteReader(bytes.NewReader(data[:i])))
		r.Limit(1 << 20)
		want := io.ErrUnexpectedEOF
		if i == 0 {
			want = io.EOF
		}
		if err := r.Skip(); err != want {
			t.Fatalf("after %d bytes: %v", i, err)
		}
		// The limit is as good as the end.
		r = msgpack.NewReader(bytes.NewReader(data))
		r.Limit(int64(i))
		if err := r.Skip(); !errors.Is(err, msgpack.ErrTooLong) {
			t.Fatalf("limited to %d bytes: %v", i, err)
		}
	}
}

// TestNestingCostsNoStack steps over a million arrays in one another.
func TestNestingCostsNoStack(t *testing.T) {
	if err := reader(append(bytes.Repeat([]byte{0x91}, 1<<20), 0)).Skip(); err != nil {
		t.Error(err)
	}
}

// FuzzSkip compares with Nomad's own library: what that reads, is stepped over
// to the last byte.
func FuzzSkip(f *testing.F) {
	for _, v := range []any{nil, true, 1, -1, 1.5, "text", []byte("bytes"), []any{1, "a"}, map[string]any{"a": []any{nil}}} {
		f.Add(encode(f, v))
	}
	f.Add([]byte("\xc7\x02\x05ab"))
	f.Add([]byte("\xdf\x00\x00\x00\x01\xa1a\xc1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.NewReader(data)
		r := msgpack.NewReader(in)
		r.Limit(int64(len(data)))
		err := r.Skip()
		var raw codec.Raw
		h := handle()
		h.Raw = true
		dec := codec.NewDecoderBytes(data, h)
		if dec.Decode(&raw) != nil {
			return // it knows extensions that it refuses
		}
		if err != nil {
			t.Fatalf("skip: %v, but it is a value of %d bytes", err, dec.NumBytesRead())
		}
		r = msgpack.NewReader(bytes.NewReader(data))
		r.Limit(int64(dec.NumBytesRead()))
		if err := r.Skip(); err != nil {
			t.Errorf("it is a value of %d bytes, but skip: %v", dec.NumBytesRead(), err)
		}
	})
}

// FuzzRead wants any input to be read or refused, and what was written to be
// read back.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\x82\xa5Index\x07\xa1x\xc0"), "text", uint64(300))
	f.Fuzz(func(t *testing.T, data []byte, s string, n uint64) {
		r := reader(data)
		_ = r.Fields(func(key string) (bool, error) {
			switch len(key) % 6 {
			case 0:
				_, err := r.Text(64)
				return true, err
			case 1:
				_, err := r.TextPrefix(8)
				return true, err
			case 2:
				_, err := r.Uint()
				return true, err
			case 3:
				_, err := r.Bool()
				return true, err
			case 4:
				n, err := r.Array()
				for i := 0; i < n && err == nil; i++ {
					err = r.Skip()
				}
				return true, err
			}
			return false, nil
		})
		b := msgpack.AppendUint(msgpack.AppendString(msgpack.AppendMap(nil, 1), s), n)
		r = reader(b)
		count, err1 := r.Map()
		text, err2 := r.Text(len(s))
		num, err3 := r.Uint()
		if err := errors.Join(err1, err2, err3); err != nil || count != 1 || text != s || num != n {
			t.Errorf("read back %d %q %d: %v", count, text, num, err)
		}
	})
}
