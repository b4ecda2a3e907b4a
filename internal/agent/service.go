package agent

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/internal/wire"
)

// maxServiceName is Nomad's bound: a service name must fit a DNS label.
const maxServiceName = 63

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
	return s, checkService(s)
}

// checkService refuses what could not be registered, wherever it came from.
func checkService(s wire.Service) error {
	if s.Name == "" {
		return fmt.Errorf("service: name is missing")
	}
	if len(s.Name) > maxServiceName || strings.Trim(s.Name, "-") != s.Name || strings.IndexFunc(s.Name, notDNS) >= 0 {
		return fmt.Errorf("service name %q: want at most %d letters, digits and inner hyphens", s.Name, maxServiceName)
	}
	if s.Address != "" && net.ParseIP(s.Address) == nil && strings.ContainsAny(s.Address, " /\\\x00\r\n") {
		return fmt.Errorf("service %q: address %q is neither an IP address nor a host name", s.Name, s.Address)
	}
	return nil
}

func notDNS(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
}
