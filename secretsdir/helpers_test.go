package secretsdir_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/secretsdir"
)

// patience is how long something may take before a test gives up. Nothing waits
// that long unless it fails.
const patience = 20 * time.Second

var keep = secretsdir.Options{UID: secretsdir.Keep, GID: secretsdir.Keep}

// token makes something of a token's form. The body grows with n, so that tokens
// differ in length.
func token(n int) string {
	enc := base64.RawURLEncoding.EncodeToString
	body := fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", n%1000))
	return enc([]byte(`{"alg":"EdDSA"}`)) + "." + enc([]byte(body)) + "." + enc(make([]byte, 64))
}

func privateDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secrets")
	must(t, os.Mkdir(dir, 0o700))
	return dir
}

func open(t testing.TB, path string, o secretsdir.Options) *secretsdir.Dir {
	t.Helper()
	d, err := secretsdir.Open(path, o)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func content(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

// names lists what is in dir.
func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func exact(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("\n got %v\nwant %s", err, want)
	}
}

func sameNames(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
