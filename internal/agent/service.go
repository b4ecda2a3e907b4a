package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/internal/wire"
)

// ParseService reads the -service flag:
// name=web,port=8080[,address=10.0.0.1][,tags=a|b].
func ParseService(spec string) (wire.Service, error) {
	var s wire.Service
	var seen []string
	for field := range strings.SplitSeq(spec, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return s, fmt.Errorf("service %q: %q is not of the form key=value", spec, field)
		}
		if slices.Contains(seen, key) {
			return s, fmt.Errorf("service %q: %s is given twice", spec, key)
		}
		seen = append(seen, key)
		switch key {
		case "name":
			s.Name = value
		case "port":
			port, err := strconv.ParseUint(value, 10, 16)
			if err != nil || port == 0 {
				return s, fmt.Errorf("service %q: port %q is not a number from 1 to 65535", spec, value)
			}
			s.Port = int(port)
		case "address":
			s.Address = value
		case "tags":
			for tag := range strings.SplitSeq(value, "|") {
				if tag != "" {
					s.Tags = append(s.Tags, tag)
				}
			}
		default:
			return s, fmt.Errorf("service %q: unknown key %q, want name, port, address or tags", spec, key)
		}
	}
	if !slices.Contains(seen, "port") {
		return s, fmt.Errorf("service %q: port is missing", spec)
	}
	return s, s.Check()
}
