package identity

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ParseSpec reads an identity as the -identity flag has it: items separated by
// commas, such as
//
//	name=aws,aud=sts.amazonaws.com|other,ttl=1h,env,file=aws.jwt,change_mode=signal,change_signal=SIGHUP
//
// Keys are name, aud (several separated by |), ttl, env, file, filepath,
// change_mode, change_signal and service. env and file stand alone or take true
// or false; file takes a path as well, which is then the filepath. Spaces around
// an item do not count. The result is canonical and valid.
func ParseSpec(s string) (Spec, error) {
	spec, err := parseSpec(s)
	if err != nil {
		return Spec{}, fmt.Errorf("identity spec %q: %w", s, err)
	}
	if err := spec.Validate(); err != nil {
		return Spec{}, err
	}
	return spec.Canonical(), nil
}

func parseSpec(s string) (Spec, error) {
	var spec Spec
	seen := make(map[string]bool)
	for item := range strings.SplitSeq(s, ",") {
		key, value, hasValue := strings.Cut(strings.TrimSpace(item), "=")
		if key == "" {
			return spec, errors.New("an item is empty")
		}
		if seen[key] {
			return spec, fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if !hasValue && key != "env" && key != "file" {
			if !specKey(key) {
				return spec, unknownKey(key)
			}
			return spec, fmt.Errorf("%s needs a value: %s=…", key, key)
		}
		if hasValue && value == "" {
			return spec, fmt.Errorf("%s is empty", key)
		}
		if err := spec.set(key, value); err != nil {
			return spec, err
		}
	}
	if !seen["name"] {
		return spec, errors.New("it has no name")
	}
	return spec, nil
}

func unknownKey(key string) error {
	return fmt.Errorf("unknown key %q; known are name, aud, ttl, env, file, filepath, change_mode, change_signal, service", key)
}

func specKey(key string) bool {
	switch key {
	case "name", "aud", "ttl", "env", "file", "filepath", "change_mode", "change_signal", "service":
		return true
	}
	return false
}

// set sets the field of one item. value is empty only for a bare env or file.
func (s *Spec) set(key, value string) (err error) {
	switch key {
	case "name":
		s.Name = value
	case "aud":
		s.Audience = strings.Split(value, "|")
	case "ttl":
		if s.TTL, err = time.ParseDuration(value); err != nil {
			return fmt.Errorf("ttl %q is not a duration such as 90s or 1h", value)
		}
	case "env":
		switch value {
		case "", "true":
			s.Env = true
		case "false":
		default:
			return fmt.Errorf("env=%s: it takes true or false", value)
		}
	case "file":
		switch value {
		case "", "true":
			s.File = true
		case "false":
		default:
			if s.Filepath != "" {
				return errors.New("file and filepath both name a file")
			}
			s.File, s.Filepath = true, value
		}
	case "filepath":
		if s.Filepath != "" {
			return errors.New("file and filepath both name a file")
		}
		s.Filepath = value
	case "change_mode":
		s.ChangeMode = ChangeMode(value)
	case "change_signal":
		s.ChangeSignal = value
	case "service":
		s.Service = value
	default:
		return unknownKey(key)
	}
	return nil
}

// String returns the spec as ParseSpec reads it. A value with a comma in it,
// which ParseSpec cannot have made, does not survive the way back.
func (s Spec) String() string {
	items := []string{"name=" + s.Name}
	add := func(key, value string) {
		if value != "" {
			items = append(items, key+"="+value)
		}
	}
	add("aud", strings.Join(s.Audience, "|"))
	if s.TTL != 0 {
		add("ttl", s.TTL.String())
	}
	if s.Env {
		items = append(items, "env")
	}
	if s.File {
		items = append(items, "file")
	}
	add("filepath", s.Filepath)
	add("change_mode", string(s.ChangeMode))
	add("change_signal", s.ChangeSignal)
	add("service", s.Service)
	return strings.Join(items, ",")
}
