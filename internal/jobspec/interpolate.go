package jobspec

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/wire"
)

// Interpolate puts values for the ${…} that are left in services and their
// identities, once the allocation is known; Allocation.Lookup is the usual
// lookup. What lookup does not know stays as it is in a tag, as in Nomad; an
// address is dropped for it and so is a service for its name, since neither
// could be found. Each of these is reported in a warning. The error is about
// names that clash or that nothing can have, once they are known.
func (t *Task) Interpolate(lookup func(name string) (string, bool)) (warnings []string, err error) {
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	renamed := make(map[string]string)
	var services []wire.Service
	for _, s := range t.Services {
		name, unknown := replace(s.Name, lookup)
		if unknown != "" {
			warn("service %q is not registered: %s in its name is not known here", s.Name, unknown)
			continue
		}
		if !validServiceName(name) {
			return warnings, fmt.Errorf("service name %q, from %q in the job file, may only have letters, digits and dashes inside, at most 63", name, s.Name)
		}
		renamed[s.Name] = name
		s.Name = name
		if s.Address, unknown = replace(s.Address, lookup); unknown != "" {
			warn("service %q has no address: %s is not known here", name, unknown)
			s.Address = ""
		}
		s.Tags = slices.Clone(s.Tags)
		for i, tag := range s.Tags {
			if s.Tags[i], unknown = replace(tag, lookup); unknown != "" {
				warn("service %q: %s in tag %q is not known here and stays as it is", name, unknown, tag)
			}
		}
		services = append(services, s)
	}
	var identities []wire.Identity
	for _, id := range t.Identities {
		if id.Service != "" {
			name, registered := renamed[id.Service]
			if !registered {
				continue // its service was left out above
			}
			id.Name = strings.ReplaceAll(id.Name, id.Service, name)
			id.Service = name
		}
		identities = append(identities, id)
	}
	if err := validateIdentities(identities, false); err != nil {
		return warnings, err
	}
	t.Services, t.Identities = services, identities
	return warnings, nil
}

// validateIdentities checks each and all together; early, those whose names
// are not complete yet are left out.
func validateIdentities(ids []wire.Identity, early bool) error {
	specs := make([]identity.Spec, 0, len(ids))
	for _, id := range ids {
		if !early || !strings.Contains(id.Name+id.Service, "${") {
			specs = append(specs, id.Spec)
		}
	}
	return identity.ValidateSet(specs)
}

// replace puts values for the ${name} in s, where a name has letters, digits
// and _-. in it. What lookup does not know stays; the first of those is returned.
func replace(s string, lookup func(string) (string, bool)) (result, unknown string) {
	var b strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			return b.String() + s, unknown
		}
		b.WriteString(s[:start])
		end := start + 2
		for end < len(s) && isNameByte(s[end]) {
			end++
		}
		if end == start+2 || end == len(s) || s[end] != '}' {
			if close := strings.IndexByte(s[start:], '}'); close >= 0 && unknown == "" {
				unknown = s[start : start+close+1]
			}
			b.WriteString("${")
			s = s[start+2:]
			continue
		}
		reference := s[start : end+1]
		if v, ok := lookup(s[start+2 : end]); ok {
			b.WriteString(v)
		} else {
			b.WriteString(reference)
			if unknown == "" {
				unknown = reference
			}
		}
		s = s[end+1:]
	}
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c == '.'
}

// Allocation is what is known once a task has its allocation.
type Allocation struct {
	ID, Name                      string
	Index                         int
	Namespace, Region, Datacenter string
	Job, JobName, Group, Task     string
	Hostname                      string
}

// Lookup knows Nomad's runtime variables about the allocation, and of a node
// what is true of this machine: its name, region, datacenter, system and architecture.
func (a Allocation) Lookup(name string) (string, bool) {
	v := ""
	switch name {
	case "NOMAD_ALLOC_ID":
		v = a.ID
	case "NOMAD_SHORT_ALLOC_ID":
		v, _, _ = strings.Cut(a.ID, "-")
	case "NOMAD_ALLOC_NAME":
		v = a.Name
	case "NOMAD_ALLOC_INDEX":
		v = strconv.Itoa(a.Index)
	case "NOMAD_NAMESPACE":
		v = a.Namespace
	case "NOMAD_REGION", "node.region":
		v = a.Region
	case "NOMAD_DC", "node.datacenter":
		v = a.Datacenter
	case "NOMAD_JOB_ID":
		v = a.Job
	case "NOMAD_JOB_NAME":
		v = a.JobName
	case "NOMAD_GROUP_NAME":
		v = a.Group
	case "NOMAD_TASK_NAME":
		v = a.Task
	case "attr.unique.hostname", "node.unique.name":
		v = a.Hostname
	case "attr.kernel.name":
		v = runtime.GOOS
	case "attr.cpu.arch":
		v = runtime.GOARCH
	}
	return v, v != ""
}
