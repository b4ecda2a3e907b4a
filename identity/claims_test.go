package identity_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/identity"
)

func TestClaimsJSON(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims identity.Claims
		want   string
	}{
		{"empty", identity.Claims{}, `{}`},
		{"task", identity.Claims{
			Subject: "global:default:example:cache:redis:default", ID: "1f0b", Audience: []string{"nomadproject.io"},
			IssuedAt: now, NotBefore: now, Namespace: "default", JobID: "example", AllocationID: "5c4c", Task: "redis",
		}, `{"sub":"global:default:example:cache:redis:default","aud":"nomadproject.io","nbf":1777636800,"iat":1777636800,"jti":"1f0b",` +
			`"nomad_namespace":"default","nomad_job_id":"example","nomad_allocation_id":"5c4c","nomad_task":"redis"}`},
		{"service with everything", identity.Claims{
			Issuer: "https://i", Subject: "s", Audience: []string{"a", "b"}, Expiry: now.Add(time.Hour), Service: "web",
			ConsulNamespace: "cn", VaultNamespace: "vn", VaultRole: "vr", Extra: map[string]string{"k": "v"},
		}, `{"iss":"https://i","sub":"s","aud":["a","b"],"exp":1777640400,"nomad_service":"web",` +
			`"consul_namespace":"cn","vault_namespace":"vn","vault_role":"vr","extra_claims":{"k":"v"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.claims)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			var back identity.Claims
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.claims, back); diff != "" {
				t.Errorf("and back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClaimsReading(t *testing.T) {
	for _, tt := range []struct {
		body string
		want identity.Claims
		err  string
	}{
		{body: `{"aud":["a"],"exp":1777636800.5,"iat":1.7776368e9}`,
			want: identity.Claims{Audience: []string{"a"}, Expiry: now.Add(500 * time.Millisecond), IssuedAt: now}},
		{body: `{"exp":0}`, want: identity.Claims{Expiry: time.Unix(0, 0)}},
		{body: `{"EXP":1,"Nomad_Task":"x","unknown":{"a":[1]},"extra_claims":null}`},
		{body: `[]`, err: `it is not a JSON object`},
		{body: ``, err: `it is not a JSON object`},
		{body: `{"sub":"a"`, err: `it is not valid JSON`},
		{body: `{"sub":"a"} {}`, err: `something follows the JSON object`},
		{body: `{"exp":1,"exp":2}`, err: `"exp" is there twice`},
		{body: `{"exp":null}`, err: `claim exp is not a number of seconds`},
		{body: `{"exp":"1777636800"}`, err: `claim exp is not a number of seconds`},
		{body: `{"exp":1e400}`, err: `claim exp is not a number of seconds`},
		{body: `{"exp":1e15}`, err: `claim exp is outside of the years 1970 to 9999`},
		{body: `{"iat":-1}`, err: `claim iat is outside of the years 1970 to 9999`},
		{body: `{"aud":null}`, err: `claim aud is neither a string nor an array`},
		{body: `{"aud":[1]}`, err: `claim aud has an element that is not a string`},
		{body: `{"aud":[null]}`, err: `claim aud has an element that is not a string`},
		{body: `{"nomad_task":7}`, err: `claim nomad_task is not a string`},
		{body: `{"extra_claims":{"a":1}}`, err: `claim extra_claims is not a map of strings`},
	} {
		var got identity.Claims
		err := got.UnmarshalJSON([]byte(tt.body))
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%s\n got %v\nwant %s", tt.body, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.body, diff)
		}
	}
}

func TestSubject(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		claims                  identity.Claims
		region, group, identity string
	}{
		{"task", sampleClaims(), "global", "cache", "default"},
		{"service", identity.Claims{Subject: identity.Subject("eu", "ns", "job", "grp", "web", "consul_x"), Namespace: "ns", JobID: "job", Service: "web"}, "eu", "grp", "consul_x"},
		{"colons in the job", identity.Claims{Subject: "r:ns:a:b:c:g:t:i", Namespace: "ns", JobID: "a:b:c", Task: "t"}, "r", "g", "i"},
		{"another's subject", identity.Claims{Subject: "system:serviceaccount:a:b:c:d"}, "", "", ""},
		{"no subject", identity.Claims{}, "", "", ""},
		{"too short", identity.Claims{Subject: "r:ns:job:t:i", Namespace: "ns", JobID: "job", Task: "t"}, "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.claims
			if c.Region() != tt.region || c.Group() != tt.group || c.IdentityName() != tt.identity {
				t.Errorf("got %q, %q, %q", c.Region(), c.Group(), c.IdentityName())
			}
		})
	}
}
