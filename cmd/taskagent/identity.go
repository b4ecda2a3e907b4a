package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
)

var identityCommand = &command{
	name:    "identity",
	summary: "Look into a token: inspect, verify",
	sub:     []*command{identityInspect, identityVerify},
}

var identityInspect = &command{
	name: "inspect", args: "[-json] [FILE|-]", summary: "Decode a token's claims; nothing is verified",
	run: func(_ context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		asJSON := f.Bool("json", false, "print the claims alone, as JSON")
		operands, err := f.parseMixed()
		if err == nil {
			err = f.want(operands, 0, 1)
		}
		if err != nil {
			return exitUsage, err
		}
		raw, source, err := readToken(c, operands)
		if err != nil {
			return exitFailure, err
		}
		_, claims, err := identity.ParseInsecure(raw)
		if err != nil {
			return exitFailure, fmt.Errorf("inspect %s: %w", source, err)
		}
		if *asJSON {
			err = printJSON(c.out, claims)
		} else {
			err = printClaims(c.out, raw, claims, time.Now())
		}
		if err != nil {
			return exitFailure, err
		}
		return exitOK, nil
	},
}

var identityVerify = &command{
	name: "verify", args: "[-jwks URL|FILE] [-aud A] [FILE|-]", summary: "Check a token's signature, lifetime and audience",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := addAPIFlags(f)
		jwks := f.String("jwks", "", "the key set, a `URL` or a file; default the leader's")
		aud := f.String("aud", "", "the `audience` the token must carry")
		operands, err := f.parseMixed()
		if err == nil {
			err = f.want(operands, 0, 1)
		}
		if err != nil {
			return exitUsage, err
		}
		raw, source, err := readToken(c, operands)
		if err != nil {
			return exitFailure, err
		}
		set, from, err := readKeySet(ctx, c, who, *jwks)
		if err != nil {
			return exitFailure, err
		}
		claims, err := identity.Verify(raw, set, identity.VerifyOptions{Audience: *aud, Now: time.Now()})
		if err != nil {
			return exitFailure, fmt.Errorf("verify %s against %s: %w", source, from, err)
		}
		fmt.Fprintf(c.out, "good: %s, audience %s, signed with a key of %s\n", claims.Subject, strings.Join(claims.Audience, ", "), from)
		fmt.Fprintln(c.out, "not checked: whether its task is still running (ask the Task API)")
		return exitOK, nil
	},
}

// readToken returns the token in the file named, on standard input for "-", or
// without an operand the task's own: its file, else NOMAD_TOKEN.
func readToken(c *invocation, operands []string) (raw, source string, err error) {
	var b []byte
	switch {
	case len(operands) == 1 && operands[0] == "-":
		source = "standard input"
		b, err = readBounded(source, c.in)
	case len(operands) == 1:
		source = operands[0]
		b, err = readFileOperand(source)
	default:
		env := environMap(c.environ)
		source = "the task's token"
		token := taskToken(env)
		if token == "" {
			return "", "", fault.Usage(errors.New("no token to look at: name a file, or - for standard input"),
				"inside a task, the task's own token is taken")
		}
		b = []byte(token)
	}
	if err != nil {
		return "", "", err
	}
	raw = strings.TrimSpace(string(b))
	if raw == "" {
		return "", "", fmt.Errorf("read a token from %s: it is empty", source)
	}
	return raw, source, nil
}

// readKeySet gets the public keys from a URL, a file or the leader.
func readKeySet(ctx context.Context, c *invocation, who *apiFlags, from string) (identity.KeySet, string, error) {
	var b []byte
	var err error
	switch {
	case from == "":
		var a *api
		if a, err = who.open(ctx, c); err == nil {
			from = "the leader's key set"
			b, _, err = a.do(ctx, http.MethodGet, "/.well-known/jwks.json", nil, nil)
		}
	case strings.HasPrefix(from, "http://"), strings.HasPrefix(from, "https://"):
		b, err = getURL(ctx, from)
	default:
		b, err = readFileOperand(from)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the key set: %w", err)
	}
	set, err := identity.ParseKeySet(b)
	if err != nil {
		return nil, "", fmt.Errorf("read the key set from %s: %w", from, err)
	}
	return set, from, nil
}

func getURL(ctx context.Context, from string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("get %s: %w", from, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", from, resp.Status)
	}
	return readBounded(from, resp.Body)
}

// printClaims prints what a token says of itself.
func printClaims(w io.Writer, raw string, c identity.Claims, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	if h, err := identity.ParseHeaderInsecure(raw); err == nil {
		row("Signed with", h.Algorithm+", key "+h.KeyID)
	}
	row("Subject", c.Subject)
	row("Identity", c.IdentityName())
	row("Audience", strings.Join(c.Audience, ", "))
	row("Issuer", c.Issuer)
	row("Namespace", c.Namespace)
	row("Job", c.JobID)
	row("Group", c.Group())
	row("Allocation", c.AllocationID)
	row("Task", c.Task)
	row("Service", c.Service)
	row("Consul namespace", c.ConsulNamespace)
	row("Vault namespace", c.VaultNamespace)
	row("Vault role", c.VaultRole)
	for _, k := range slices.Sorted(maps.Keys(c.Extra)) {
		row("Extra "+k, c.Extra[k])
	}
	row("ID", c.ID)
	row("Issued", stamp(c.IssuedAt))
	row("Not before", stamp(c.NotBefore))
	row("Expires", lifetime(c, now))
	if err := t.Flush(); err != nil {
		return err
	}
	for _, warning := range claimWarnings(c, now) {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	_, err := fmt.Fprintln(w, "Decoded only: the signature was not verified (taskagent identity verify does that).")
	return err
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func lifetime(c identity.Claims, now time.Time) string {
	if c.Expiry.IsZero() {
		return "never"
	}
	left := c.Expiry.Sub(now).Round(time.Second)
	if left <= 0 {
		return fmt.Sprintf("%s (%s ago)", stamp(c.Expiry), -left)
	}
	return fmt.Sprintf("%s (%s left)", stamp(c.Expiry), left)
}

// claimWarnings names what makes a token useless or surprising.
func claimWarnings(c identity.Claims, now time.Time) []string {
	var out []string
	if !c.Expiry.IsZero() && !now.Before(c.Expiry) {
		out = append(out, "it has expired")
	}
	if now.Before(c.NotBefore) {
		out = append(out, "it is not valid yet: compare this machine's clock with the leader's")
	}
	if c.Expiry.IsZero() && !c.HasAudience(identity.NomadAudience) {
		out = append(out, "it never expires: verifiers such as OpenBao and Vault refuse that; give the identity a ttl")
	}
	if !c.HasAudience(identity.NomadAudience) {
		out = append(out, "it does not carry the audience "+identity.NomadAudience+": it is no credential for the Task API")
	}
	if len(c.Audience) == 0 {
		out = append(out, "it names no audience: most verifiers refuse it")
	}
	return out
}
