//go:build unix

package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

func lookupUser(spec string) (User, error) {
	name, group, hasGroup := strings.Cut(spec, ":")
	if name == "" || (hasGroup && group == "") || strings.ContainsAny(spec, "\x00\n") {
		return User{}, fmt.Errorf("user %q: want NAME, UID, or either followed by :GID", spec)
	}
	u, entry, err := lookupAccount(name)
	if err != nil {
		return User{}, fmt.Errorf("user %q: %w", spec, err)
	}
	if hasGroup {
		if u.GID, err = lookupGroup(group); err != nil {
			return User{}, fmt.Errorf("user %q: %w", spec, err)
		}
		u.Groups = []int{u.GID}
		return u, nil
	}
	u.Groups = []int{u.GID}
	if entry == nil {
		return u, nil
	}
	ids, err := entry.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("user %q: look up groups: %w", spec, err)
	}
	for _, s := range ids {
		gid, err := parseID(s)
		if err != nil {
			return User{}, fmt.Errorf("user %q: look up groups: %w", spec, err)
		}
		if !slices.Contains(u.Groups, gid) {
			u.Groups = append(u.Groups, gid)
		}
	}
	return u, nil
}

// lookupAccount finds the user without groups; entry is nil for a number that
// the user database does not know.
func lookupAccount(name string) (u User, entry *user.User, err error) {
	if isNumber(name) {
		uid, err := parseID(name)
		if err != nil {
			return User{}, nil, err
		}
		entry, err = user.LookupId(strconv.Itoa(uid))
		var unknown user.UnknownUserIdError
		if errors.As(err, &unknown) || errors.Is(err, fs.ErrNotExist) {
			return User{UID: uid, GID: uid}, nil, nil
		}
		if err != nil {
			return User{}, nil, err
		}
	} else {
		entry, err = user.Lookup(name)
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			return User{}, nil, errors.New("no such user (a user of a directory service must be given by number, UID:GID)")
		}
		if err != nil {
			return User{}, nil, err
		}
	}
	u = User{Name: entry.Username, Home: entry.HomeDir}
	if u.UID, err = parseID(entry.Uid); err != nil {
		return User{}, nil, err
	}
	if u.GID, err = parseID(entry.Gid); err != nil {
		return User{}, nil, err
	}
	return u, entry, nil
}

func lookupGroup(name string) (int, error) {
	if isNumber(name) {
		return parseID(name)
	}
	g, err := user.LookupGroup(name)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		return 0, fmt.Errorf("no such group %q", name)
	}
	if err != nil {
		return 0, err
	}
	return parseID(g.Gid)
}

// isNumber reports whether s is to be read as an id. A sign counts, so that
// "-1" is refused as an id rather than looked up as a name.
func isNumber(s string) bool {
	digits := strings.TrimLeft(s, "+-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// parseID reads a uid or gid. 4294967295 is refused: to the kernel it means
// "leave as it is", so it would chown nothing.
func parseID(s string) (int, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == math.MaxUint32 || id > math.MaxInt {
		return 0, fmt.Errorf("id %s is not between 0 and %d", s, int64(math.MaxUint32-1))
	}
	return int(id), nil
}
