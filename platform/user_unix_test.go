//go:build unix

package platform_test

import (
	"fmt"
	"math"
	"os/user"
	"slices"
	"strconv"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestLookupUser(t *testing.T) {
	root, err := user.LookupId("0")
	if err != nil {
		t.Skip("no user database:", err)
	}
	tests := []struct {
		spec string
		want platform.User
	}{
		{"0:7", platform.User{Name: root.Username, Home: root.HomeDir, GID: 7, Groups: []int{7}}},
		{root.Username + ":7", platform.User{Name: root.Username, Home: root.HomeDir, GID: 7, Groups: []int{7}}},
		{"3999999999", platform.User{UID: 3999999999, GID: 3999999999, Groups: []int{3999999999}}},
		{"3999999999:0", platform.User{UID: 3999999999, GID: 0, Groups: []int{0}}},
		{"3999999999:12", platform.User{UID: 3999999999, GID: 12, Groups: []int{12}}},
		{"003999999999", platform.User{UID: 3999999999, GID: 3999999999, Groups: []int{3999999999}}},
	}
	for _, tt := range tests {
		got, err := platform.LookupUser(tt.spec)
		if err != nil || got.Name != tt.want.Name || got.UID != tt.want.UID || got.GID != tt.want.GID ||
			got.Home != tt.want.Home || !slices.Equal(got.Groups, tt.want.Groups) {
			t.Errorf("%s: %+v, %v; want %+v", tt.spec, got, err, tt.want)
		}
	}
}

// By name or by number a user has all groups of the databases, the primary
// one first.
func TestLookupUserGroups(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	entry, err := user.LookupId(me.Uid)
	if err != nil {
		t.Skip("we have no entry:", err)
	}
	want, err := entry.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{entry.Username, entry.Uid} {
		u, err := platform.LookupUser(spec)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, gid := range u.Groups {
			got = append(got, strconv.Itoa(gid))
		}
		if len(got) == 0 || got[0] != entry.Gid || u.GID != u.Groups[0] {
			t.Errorf("%s: groups %v, primary %d, want %s first", spec, got, u.GID, entry.Gid)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, slices.Compact(want)) {
			t.Errorf("%s: groups %v, want %v", spec, got, want)
		}
	}
}

func TestLookupUserErrors(t *testing.T) {
	const shape = ": want NAME, UID, or either followed by :GID"
	const bounds = " is not between 0 and 4294967294"
	tests := map[string]string{
		"":                shape,
		":":               shape,
		":0":              shape,
		"0:":              shape,
		"a\x00":           shape,
		"a\nb":            shape,
		"no-such-user":    ": no such user (a user of a directory service must be given by number, UID:GID)",
		"no-such-user:0":  ": no such user (a user of a directory service must be given by number, UID:GID)",
		"0:no-such-group": `: no such group "no-such-group"`,
		"-1":              ": id -1" + bounds,
		"+1":              ": id +1" + bounds,
		"4294967295":      ": id 4294967295" + bounds,
		"0:4294967295":    ": id 4294967295" + bounds,
		"0:-1":            ": id -1" + bounds,
		"0:0:0":           `: no such group "0:0"`,
	}
	for spec, want := range tests {
		_, err := platform.LookupUser(spec)
		checkError(t, err, fmt.Sprintf("user %q%s", spec, want), nil)
	}
}

func FuzzLookupUser(f *testing.F) {
	for _, spec := range []string{"", "root", "root:root", "0", "0:0", "65534", "4294967295", "-1", "1:2:3", "\x00", "+1", "0x1", "1e3"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		u, err := platform.LookupUser(spec)
		if err != nil {
			if u.UID != 0 || u.GID != 0 || u.Groups != nil || u.Name != "" {
				t.Errorf("%q: a user %+v beside the error %v", spec, u, err)
			}
			return
		}
		for _, id := range append([]int{u.UID, u.GID}, u.Groups...) {
			if id < 0 || id >= math.MaxUint32 {
				t.Errorf("%q: id %d, which chown would not set", spec, id)
			}
		}
		if len(u.Groups) == 0 || u.Groups[0] != u.GID {
			t.Errorf("%q: groups %v do not begin with %d", spec, u.Groups, u.GID)
		}
	})
}
