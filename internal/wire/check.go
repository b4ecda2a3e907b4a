package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/taskagent/taskagent/identity"
)

// Bounds on what an agent may ask for; they only keep a broken one from filling
// the store.
const (
	maxName       = 128
	maxService    = 63
	maxIdentities = 64
	maxServices   = 64
	maxTags       = 64
	maxText       = 4096
)

// Check refuses a start that cannot be right, however often it is sent: a name
// ends up in subject claims and in the paths of variables. It does not know what
// runs already.
func (s *Start) Check() error {
	if s.LeaseID == "" || len(s.LeaseID) > maxName {
		return fmt.Errorf("the lease has no id of 1 to %d bytes", maxName)
	}
	if s.AllocID != "" {
		if err := CheckName("allocation", s.AllocID); err != nil {
			return err
		}
	}
	if err := CheckNamespace(s.Namespace); err != nil {
		return err
	}
	for _, n := range []struct{ what, name string }{
		{"region", s.Region}, {"datacenter", s.Datacenter}, {"job", s.Job}, {"group", s.Group}, {"task", s.Task},
	} {
		if err := CheckName(n.what, n.name); err != nil {
			return err
		}
	}
	// The region ends at the first colon of a subject claim.
	if strings.Contains(s.Region, ":") {
		return fmt.Errorf("region name %q contains a colon", s.Region)
	}
	if err := checkIdentities(s); err != nil {
		return err
	}
	if err := checkServices(s.Services); err != nil {
		return err
	}
	for _, text := range []string{s.User, s.Isolation, s.Socket} {
		if len(text) > maxText {
			return fmt.Errorf("user, isolation or socket is longer than %d bytes", maxText)
		}
	}
	return nil
}

// CheckName refuses a name that could not be part of a subject claim, of a
// variable's path or of a directory. what says whose name it is.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s has no name", what)
	case len(name) > maxName:
		return fmt.Errorf("%s name %.20q… is longer than %d bytes", what, name, maxName)
	case name == "." || name == "..":
		return fmt.Errorf("%s name %q is not a name", what, name)
	case strings.ContainsAny(name, `/\`):
		return fmt.Errorf("%s name %q contains a slash", what, name)
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fmt.Errorf("%s name %q contains white space or a control character", what, name)
	}
	return nil
}

// CheckNamespace is CheckName for a namespace, and stricter, as Nomad is.
func CheckNamespace(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, notDNS) {
		return fmt.Errorf("namespace name %q: want 1 to %d letters, digits and hyphens", name, maxName)
	}
	return nil
}

func notDNS(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
}

func checkIdentities(s *Start) error {
	if len(s.Identities) > maxIdentities {
		return fmt.Errorf("%d identities are more than %d", len(s.Identities), maxIdentities)
	}
	specs := make([]identity.Spec, len(s.Identities))
	for i, id := range s.Identities {
		if err := id.Validate(); err != nil {
			return err
		}
		if s.Once && id.TTL == 0 {
			return fmt.Errorf("identity %q: a task without an agent needs a ttl: nobody would ever end it", id.Name)
		}
		for _, claim := range []string{id.ConsulNamespace, id.VaultNamespace, id.VaultRole} {
			if len(claim) > maxText {
				return fmt.Errorf("identity %q: a claim is longer than %d bytes", id.Name, maxText)
			}
		}
		specs[i] = id.Spec
	}
	if s.Once && len(specs) == 0 {
		return fmt.Errorf("a task without an agent needs an identity")
	}
	return identity.ValidateSet(specs)
}

func checkServices(services []Service) error {
	if len(services) > maxServices {
		return fmt.Errorf("%d services are more than %d", len(services), maxServices)
	}
	for _, s := range services {
		if err := s.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Check refuses a service that could not be registered, wherever it comes from.
// Port 0 is one that a job file leaves to a scheduler.
func (s Service) Check() error {
	switch {
	case s.Name == "":
		return errors.New("service: name is missing")
	case len(s.Name) > maxService || strings.Trim(s.Name, "-") != s.Name || strings.ContainsFunc(s.Name, notDNS):
		return fmt.Errorf("service name %q: want at most %d letters, digits and inner hyphens", s.Name, maxService)
	case s.Port < 0 || s.Port > 65535:
		return fmt.Errorf("service %q: port %d is not a number from 0 to 65535", s.Name, s.Port)
	case strings.ContainsAny(s.Address, " /\\\x00\r\n"):
		return fmt.Errorf("service %q: address %q is neither an IP address nor a host name", s.Name, s.Address)
	case len(s.Tags) > maxTags || len(s.Address) > maxText:
		return fmt.Errorf("service %q has too many tags or too long an address", s.Name)
	}
	return nil
}
