package nomad

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// defaultPort is Nomad's RPC port.
const defaultPort = "4647"

// ParseServers reads a list of servers separated by commas: host, host:port, or
// [ipv6]:port. Without a port it is Nomad's RPC port, 4647.
func ParseServers(list string) ([]string, error) {
	var servers []string
	for s := range strings.SplitSeq(list, ",") {
		s = strings.TrimSpace(s)
		if s == "" {
			continue
		}
		addr, err := parseServer(s)
		if err != nil {
			return nil, fmt.Errorf("server %q: %w", s, err)
		}
		servers = append(servers, addr)
	}
	if len(servers) == 0 {
		return nil, errors.New("no server is named")
	}
	return servers, nil
}

func parseServer(s string) (string, error) {
	if strings.Contains(s, "://") {
		return "", errors.New("want host:port, not a URL: this is the RPC port, which does not speak HTTP")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		// Without a port. An IPv6 address may have its brackets or not.
		host, port = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", errors.New("want host:port")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	if host == "" || strings.ContainsAny(host, "/ \t[]") {
		return "", errors.New("want host:port")
	}
	return net.JoinHostPort(host, port), nil
}
