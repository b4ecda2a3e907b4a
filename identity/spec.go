package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultName is the name of the identity every task has, block or not.
const DefaultName = "default"

// NomadAudience is the audience a workload identity must carry to be used as a
// credential for Nomad's own API.
const NomadAudience = "nomadproject.io"

// MaxNameLength is the longest name of an identity, in bytes.
const MaxNameLength = 128

// MinTTL is the shortest lifetime of a token that has one: expiry is written
// in whole seconds.
const MinTTL = time.Second

// ChangeMode says what happens to a task when its identity was renewed.
type ChangeMode string

// The change modes of Nomad's identity block. The empty mode means ChangeNoop.
const (
	ChangeNoop    ChangeMode = "noop"
	ChangeSignal  ChangeMode = "signal"
	ChangeRestart ChangeMode = "restart"
)

// Spec is one identity block: what is to be signed and how it reaches the task.
// Its JSON form is used between agent and leader and in the leader's store.
type Spec struct {
	// Name is DefaultName or another name of 1 to 128 of [a-zA-Z0-9-_].
	Name string `json:"name"`
	// Audience lists the recipients; the default identity's is always NomadAudience.
	Audience []string `json:"aud,omitempty"`
	// Env and File say where the token is published.
	Env  bool `json:"env,omitempty"`
	File bool `json:"file,omitempty"`
	// Filepath replaces the usual file name; it needs File.
	Filepath string `json:"filepath,omitempty"`
	// TTL is how long a token is valid; zero means for ever.
	TTL time.Duration `json:"ttl,omitempty"`
	// ChangeMode is what a renewal does to the task; ChangeSignal names the
	// signal of ChangeSignal mode and is empty in the others.
	ChangeMode   ChangeMode `json:"change_mode,omitempty"`
	ChangeSignal string     `json:"change_signal,omitempty"`
	// Service, when set, makes this the identity of that service and not of the task.
	Service string `json:"service,omitempty"`
}

// IsDefault reports whether this is the identity every task has.
func (s Spec) IsDefault() bool { return s.Name == DefaultName }

// Canonical returns the spec with what Nomad fills in for itself: an empty name
// means DefaultName, the default identity is for NomadAudience whatever its
// block says, an empty change mode means ChangeNoop, and signal names are in
// upper case. The spec itself is left alone; the two share no slice.
func (s Spec) Canonical() Spec {
	if s.Name == "" {
		s.Name = DefaultName
	}
	if s.IsDefault() {
		s.Audience = []string{NomadAudience}
	} else {
		s.Audience = slices.Clone(s.Audience)
	}
	if s.ChangeMode == "" {
		s.ChangeMode = ChangeNoop
	}
	s.ChangeSignal = strings.ToUpper(s.ChangeSignal)
	return s
}

// Validate returns the first thing that is wrong with the spec: Nomad's rules,
// with two differences. The default identity may have a TTL, and a Filepath has
// to be a name that every OS can hold. Whether the OS knows ChangeSignal is not
// asked here.
//
// A default identity for another audience is refused rather than overruled;
// apply Canonical first to overrule it as Nomad does.
func (s Spec) Validate() error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("identity %q: %w", s.Name, err)
	}
	return nil
}

func (s Spec) validate() error {
	if err := validateName(s.Name); err != nil {
		return err
	}
	if slices.Contains(s.Audience, "") {
		return errors.New("an audience is empty")
	}
	if s.IsDefault() {
		if len(s.Audience) > 0 && !slices.Equal(s.Audience, []string{NomadAudience}) {
			return fmt.Errorf("the audience of the default identity is always %q", NomadAudience)
		}
		if s.Service != "" {
			return errors.New("the default identity is the task's, it cannot be a service's")
		}
	}
	if s.TTL < 0 {
		return fmt.Errorf("ttl %v is negative", s.TTL)
	}
	if s.TTL > 0 && s.TTL < MinTTL {
		return fmt.Errorf("ttl %v is under %v", s.TTL, MinTTL)
	}
	if err := s.validateChange(); err != nil {
		return err
	}
	if strings.ContainsFunc(s.Service, isControl) {
		return fmt.Errorf("service %q has a control character", s.Service)
	}
	if s.Filepath == "" {
		return nil
	}
	if !s.File {
		return errors.New("a filepath needs file")
	}
	return validateFilepath(s.Filepath)
}

func (s Spec) validateChange() error {
	switch s.ChangeMode {
	case "", ChangeNoop, ChangeRestart:
		if s.ChangeSignal != "" {
			return fmt.Errorf("change_signal needs change_mode %q", ChangeSignal)
		}
	case ChangeSignal:
		if s.ChangeSignal == "" {
			return fmt.Errorf("change_mode %q needs a change_signal", ChangeSignal)
		}
		if !looksLikeSignal(s.ChangeSignal) {
			return fmt.Errorf("change_signal %q is not the name of a signal such as SIGHUP", s.ChangeSignal)
		}
	default:
		return fmt.Errorf("change_mode %q is none of noop, signal, restart", s.ChangeMode)
	}
	return nil
}

// EnvName returns the environment variable the token goes into: NOMAD_TOKEN, or
// NOMAD_TOKEN_<name>. A name with a dash makes a variable that no shell can name.
func (s Spec) EnvName() string {
	if s.IsDefault() {
		return "NOMAD_TOKEN"
	}
	return "NOMAD_TOKEN_" + s.Name
}

// validateName is Nomad's ^[a-zA-Z0-9-_]{1,128}$, without the start-up cost of
// a regular expression.
func validateName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > MaxNameLength:
		return fmt.Errorf("the name is longer than %d characters", MaxNameLength)
	case strings.ContainsFunc(name, func(r rune) bool { return !isWord(r) && r != '-' }):
		return errors.New("the name may only have letters, digits, - and _")
	}
	return nil
}

// looksLikeSignal accepts SIG and what follows, in any case: SIGHUP, sigusr1, SIGRTMIN+3.
func looksLikeSignal(s string) bool {
	if len(s) < 4 || len(s) > 16 || !strings.EqualFold(s[:3], "SIG") {
		return false
	}
	return !strings.ContainsFunc(s[3:], func(r rune) bool { return !isWord(r) && r != '+' && r != '-' })
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
