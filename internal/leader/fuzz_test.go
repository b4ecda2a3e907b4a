package leader

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/datadir"
)

// Whatever an operator wrote into the settings, they are refused or can be kept
// as they were understood.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"version":1,"http":"127.0.0.1:4646","acl":false,"oidc_issuer":"https://x","signing_alg":"EdDSA","rotate_every":"720h0m0s"}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"rotate_every":"1s"}`))
	f.Add([]byte(`{"version":99,"new":true}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, datadir.Settings)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := loadSettings(dir)
		if err != nil {
			return
		}
		if err := storeSettings(dir, s); err != nil {
			t.Fatal(err)
		}
		again, err := loadSettings(dir)
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%+v became %+v: %v", s, again, err)
		}
	})
}

// Whatever is given as a snapshot, nothing is written but the files of a data
// directory, and only into the place for it.
func FuzzUnpack(f *testing.F) {
	var good bytes.Buffer
	w := tar.NewWriter(&good)
	for _, m := range [][2]string{{snapshotAbout, `{"format":"taskagent snapshot","version":1}`}, {datadir.Version, "1\n"}, {datadir.Keyring, "{}"}} {
		if err := writeMember(w, m[0], []byte(m[1])); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:1100])
	f.Add(bytes.Replace(good.Bytes(), []byte(datadir.Keyring), []byte("../../../a/b"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		base := t.TempDir()
		stage := filepath.Join(base, "stage")
		if err := os.Mkdir(stage, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = unpack(bytes.NewReader(data), int64(len(data)), stage)
		if entries, _ := os.ReadDir(base); len(entries) != 1 {
			t.Fatalf("written beside: %v", entries)
		}
		entries, err := os.ReadDir(stage)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			switch e.Name() {
			case datadir.Version, datadir.Keyring, datadir.Settings, datadir.Token, datadir.State:
			default:
				t.Fatalf("written: %v", e)
			}
			if !e.Type().IsRegular() {
				t.Fatalf("%s is %v", e.Name(), e.Type())
			}
		}
	})
}
