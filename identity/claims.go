package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Claims is what a workload identity says about its bearer. Its JSON form is
// the body of the token.
type Claims struct {
	// Issuer is empty where the signer has none configured.
	Issuer string
	// Subject is region:namespace:job:group:task:identity, with the service in
	// place of the task for a service identity.
	Subject string
	// ID is unique to one signature.
	ID       string
	Audience []string
	// IssuedAt, NotBefore and Expiry are written in whole seconds. The zero time
	// means that the claim is absent: a zero Expiry is a token that never expires.
	IssuedAt, NotBefore, Expiry time.Time

	Namespace    string
	JobID        string
	AllocationID string
	// Task or Service is set, not both.
	Task    string
	Service string

	ConsulNamespace string
	VaultNamespace  string
	VaultRole       string
	// Extra holds the claims that a namespace adds.
	Extra map[string]string
}

// HasAudience reports whether the token is meant for aud.
func (c Claims) HasAudience(aud string) bool { return slices.Contains(c.Audience, aud) }

// Subject joins the parts of the subject claim. workload is a task or a service.
func Subject(region, namespace, job, group, workload, identity string) string {
	return strings.Join([]string{region, namespace, job, group, workload, identity}, ":")
}

// Region returns the region named in the subject, empty when the subject is
// not one of a workload identity.
func (c Claims) Region() string { region, _, _ := c.splitSubject(); return region }

// Group returns the task group named in the subject, empty when the subject is
// not one of a workload identity.
func (c Claims) Group() string { _, group, _ := c.splitSubject(); return group }

// IdentityName returns the name of the identity in the subject, empty when the
// subject is not one of a workload identity.
func (c Claims) IdentityName() string { _, _, name := c.splitSubject(); return name }

// splitSubject takes the parts that have claims of their own off both ends,
// rather than counting colons: the name of a job may have one.
func (c Claims) splitSubject() (region, group, name string) {
	region, rest, ok := strings.Cut(c.Subject, ":")
	if !ok {
		return "", "", ""
	}
	workload := c.Task
	if c.Service != "" {
		workload = c.Service
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return "", "", ""
	}
	rest, name = rest[:i], rest[i+1:]
	group, ok = strings.CutPrefix(rest, c.Namespace+":"+c.JobID+":")
	if !ok {
		return "", "", ""
	}
	if group, ok = strings.CutSuffix(group, ":"+workload); !ok {
		return "", "", ""
	}
	return region, group, name
}

// claimsJSON has the order of the body as it is written.
type claimsJSON struct {
	Issuer          string            `json:"iss,omitempty"`
	Subject         string            `json:"sub,omitempty"`
	Audience        any               `json:"aud,omitempty"`
	Expiry          *int64            `json:"exp,omitempty"`
	NotBefore       *int64            `json:"nbf,omitempty"`
	IssuedAt        *int64            `json:"iat,omitempty"`
	ID              string            `json:"jti,omitempty"`
	Namespace       string            `json:"nomad_namespace,omitempty"`
	JobID           string            `json:"nomad_job_id,omitempty"`
	AllocationID    string            `json:"nomad_allocation_id,omitempty"`
	Task            string            `json:"nomad_task,omitempty"`
	Service         string            `json:"nomad_service,omitempty"`
	ConsulNamespace string            `json:"consul_namespace,omitempty"`
	VaultNamespace  string            `json:"vault_namespace,omitempty"`
	VaultRole       string            `json:"vault_role,omitempty"`
	Extra           map[string]string `json:"extra_claims,omitempty"`
}

// MarshalJSON writes the body of a token: a single audience as a string, several
// as an array, times in whole seconds rounded down, and no claim that is empty.
func (c Claims) MarshalJSON() ([]byte, error) {
	j := claimsJSON{
		Issuer: c.Issuer, Subject: c.Subject, ID: c.ID,
		Expiry: seconds(c.Expiry), NotBefore: seconds(c.NotBefore), IssuedAt: seconds(c.IssuedAt),
		Namespace: c.Namespace, JobID: c.JobID, AllocationID: c.AllocationID, Task: c.Task, Service: c.Service,
		ConsulNamespace: c.ConsulNamespace, VaultNamespace: c.VaultNamespace, VaultRole: c.VaultRole,
		Extra: c.Extra,
	}
	switch len(c.Audience) {
	case 0:
	case 1:
		j.Audience = c.Audience[0]
	default:
		j.Audience = c.Audience
	}
	return json.Marshal(j)
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

// UnmarshalJSON reads the body of a token. The audience may be a string or an
// array and times may have a fraction, as RFC 7519 allows. Claims it does not
// know are left out. It refuses a claim given twice, and one of the wrong type:
// an expiry that cannot be read must not become a token that never expires.
func (c *Claims) UnmarshalJSON(data []byte) error {
	var out Claims
	err := eachMember(data, func(key string, value json.RawMessage) error {
		var err error
		switch key {
		case "iss":
			out.Issuer, err = readString(value)
		case "sub":
			out.Subject, err = readString(value)
		case "jti":
			out.ID, err = readString(value)
		case "aud":
			out.Audience, err = readAudience(value)
		case "iat":
			out.IssuedAt, err = readTime(value)
		case "nbf":
			out.NotBefore, err = readTime(value)
		case "exp":
			out.Expiry, err = readTime(value)
		case "nomad_namespace":
			out.Namespace, err = readString(value)
		case "nomad_job_id":
			out.JobID, err = readString(value)
		case "nomad_allocation_id":
			out.AllocationID, err = readString(value)
		case "nomad_task":
			out.Task, err = readString(value)
		case "nomad_service":
			out.Service, err = readString(value)
		case "consul_namespace":
			out.ConsulNamespace, err = readString(value)
		case "vault_namespace":
			out.VaultNamespace, err = readString(value)
		case "vault_role":
			out.VaultRole, err = readString(value)
		case "extra_claims":
			if json.Unmarshal(value, &out.Extra) != nil {
				err = errors.New("is not a map of strings")
			}
		}
		if err != nil {
			return fmt.Errorf("claim %s %w", key, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	*c = out
	return nil
}

func readString(value json.RawMessage) (s string, err error) {
	if value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return "", errors.New("is not a string")
	}
	return s, nil
}

func readAudience(value json.RawMessage) ([]string, error) {
	if value[0] == '"' {
		s, err := readString(value)
		return []string{s}, err
	}
	var parts []json.RawMessage
	if value[0] != '[' || json.Unmarshal(value, &parts) != nil {
		return nil, errors.New("is neither a string nor an array")
	}
	list := make([]string, len(parts))
	for i, part := range parts {
		s, err := readString(part)
		if err != nil {
			return nil, errors.New("has an element that is not a string")
		}
		list[i] = s
	}
	return list, nil
}

// maxSeconds is the end of the year 9999, the last that time.Time can write.
const maxSeconds = 253402300799

// readTime reads a NumericDate: seconds since 1970, perhaps with a fraction.
func readTime(value json.RawMessage) (time.Time, error) {
	var f float64
	if value[0] == 'n' || json.Unmarshal(value, &f) != nil {
		return time.Time{}, errors.New("is not a number of seconds")
	}
	if f < 0 || f > maxSeconds {
		return time.Time{}, errors.New("is outside of the years 1970 to 9999")
	}
	whole, frac := math.Modf(f)
	return time.Unix(int64(whole), int64(frac*1e9)).UTC(), nil
}
