package test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// TestNomadAPIKeyring rotates keys. What an old key signed stays good while it
// may live, and what it encrypted stays readable.
func TestNomadAPIKeyring(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	c := nomadClient(t, o.url, o.token)
	tk := w.start("redis", []string{"-job", "example"})
	before := tk.token()
	_, _, err := c.Variables().Create(newVariable("nomad/jobs/example", "1"), nil)
	ok(t, "write", err)
	states := func() map[api.RootKeyState]int {
		keys, _, err := c.Keyring().List(nil)
		ok(t, "list", err)
		m := map[api.RootKeyState]int{}
		for _, k := range keys {
			m[k.State]++
		}
		return m
	}
	published := func() int {
		resp, err := http.Get(o.url + "/.well-known/jwks.json")
		ok(t, "read the key set", err)
		defer resp.Body.Close()
		var set struct{ Keys []any }
		ok(t, "decode the key set", json.NewDecoder(resp.Body).Decode(&set))
		if cc := resp.Header.Get("Cache-Control"); !strings.Contains(cc, "max-age=") || strings.Contains(cc, "max-age=0") {
			t.Errorf("Cache-Control of the key set is %q", cc)
		}
		return len(set.Keys)
	}
	first, _, err := c.Keyring().List(nil)
	ok(t, "list", err)

	_, _, err = c.Keyring().Rotate(&api.KeyringRotateOptions{PublishTime: time.Now().Add(time.Hour).UnixNano()}, nil)
	ok(t, "publish a key ahead", err)
	if s := states(); s[api.RootKeyStateActive] != 1 || s[api.RootKeyStatePrepublished] != 1 || published() != 2 {
		t.Errorf("after a key was published ahead: %v, %d published", s, published())
	}
	key, _, err := c.Keyring().Rotate(nil, nil)
	ok(t, "rotate", err)
	if s := states(); s[api.RootKeyStateActive] != 1 || s[api.RootKeyStateInactive] < 1 || key.State != api.RootKeyStateActive {
		t.Errorf("after a rotation: %v, %+v", s, key)
	}
	if v, _, err := tk.client().Variables().Read("nomad/jobs/example", nil); err != nil || v.Items["k"] != "1" {
		t.Errorf("read with the old key's token what the old key encrypted: %v %v", v, err)
	}
	w.must("identity", "verify", "-jwks", o.url+"/.well-known/jwks.json", tk.dir+"/nomad_token")
	tk2 := w.start("two", []string{"-job", "example", "-task", "two"})
	if kid(t, tk2.token()) != key.KeyID || kid(t, before) != first[0].KeyID {
		t.Errorf("signed by %s and %s, want %s and %s", kid(t, tk2.token()), kid(t, before), key.KeyID, first[0].KeyID)
	}

	_, err = c.Keyring().Delete(&api.KeyringDeleteOptions{KeyID: key.KeyID}, nil)
	refused(t, "remove the active key", err, 500, "active root key cannot be deleted")
	_, err = c.Keyring().Delete(&api.KeyringDeleteOptions{KeyID: first[0].KeyID}, nil)
	refused(t, "remove a key in use", err, 500, "root key in use")
	_, _, err = c.Keyring().Rotate(&api.KeyringRotateOptions{Full: true}, nil)
	ok(t, "rotate in full", err)
	if v, _, err := tk2.client().Variables().Read("nomad/jobs/example", nil); err != nil || v.Items["k"] != "1" {
		t.Errorf("read what was encrypted anew: %v %v", v, err)
	}
	tk.stop()
	tk2.stop()
	_, err = c.Keyring().Delete(&api.KeyringDeleteOptions{KeyID: first[0].KeyID, Force: true}, nil)
	ok(t, "remove the first key", err)
	keys, _, err := c.Keyring().List(nil)
	ok(t, "list", err)
	if slices.ContainsFunc(keys, func(k *api.RootKeyMeta) bool { return k.KeyID == first[0].KeyID }) {
		t.Error("the key that was removed is still there")
	}
	if v, _, err := c.Variables().Read("nomad/jobs/example", nil); err != nil || v.Items["k"] != "1" {
		t.Errorf("read without the first key: %v %v", v, err)
	}
}

// kid is the id of the key that signed a token.
func kid(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	ok(t, "decode a token's header", err)
	var h struct{ Kid string }
	ok(t, "decode a token's header", json.Unmarshal(raw, &h))
	return h.Kid
}

// TestNomadAPIAgent asks what clients ask first.
func TestNomadAPIAgent(t *testing.T) {
	w := newWorld(t)
	o := w.lead()
	o.doors(t, func(t *testing.T, c *api.Client) {
		health, err := c.Agent().Health()
		ok(t, "health", err)
		if !health.Server.Ok || !health.Client.Ok {
			t.Errorf("health %+v", health)
		}
		self, err := c.Agent().Self()
		ok(t, "self", err)
		if self.Member.Status != "alive" || self.Config["ACL"].(map[string]any)["Enabled"] != true {
			t.Errorf("self %+v", self)
		}
		region, err := c.Agent().Region()
		ok(t, "region", err)
		dc, err := c.Agent().Datacenter()
		ok(t, "datacenter", err)
		name, err := c.Agent().NodeName()
		ok(t, "name", err)
		if region != "global" || dc != "dc1" || name == "" {
			t.Errorf("region %q, datacenter %q, name %q", region, dc, name)
		}
		members, err := c.Agent().Members()
		ok(t, "members", err)
		if len(members.Members) != 1 || members.Members[0].Tags["region"] != "global" {
			t.Errorf("members %+v", members)
		}
		leader, err := c.Status().Leader()
		ok(t, "leader", err)
		peers, err := c.Status().Peers()
		ok(t, "peers", err)
		regions, err := c.Regions().List()
		ok(t, "regions", err)
		if !slices.Equal(peers, []string{leader}) || !slices.Equal(regions, []string{"global"}) {
			t.Errorf("leader %q, peers %v, regions %v", leader, peers, regions)
		}
		_, _, err = c.Jobs().List(nil)
		refused(t, "what only a Nomad has", err, 501, "taskagent has no jobs, nodes or allocations")
	})
}

// TestDiscovery reads what others verify tokens with, without a token.
func TestDiscovery(t *testing.T) {
	w := newWorld(t)
	o := w.lead("-oidc-issuer", "https://issuer.example/here")
	tk := w.start("redis", []string{"-job", "example", "-identity", "name=web,aud=https://web.example,ttl=1h,file"})
	get := func(path string, v any) {
		t.Helper()

		resp, err := http.Get(o.url + path)
		ok(t, path, err)
		defer resp.Body.Close()
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %s, %s", path, resp.Status, resp.Header.Get("Content-Type"))
		}
		ok(t, path, json.NewDecoder(resp.Body).Decode(v))
	}
	var d map[string]any
	get("/.well-known/openid-configuration", &d)
	if d["issuer"] != "https://issuer.example/here" || d["jwks_uri"] != "https://issuer.example/here/.well-known/jwks.json" {
		t.Errorf("discovery: %v", d)
	}
	w.must("identity", "verify", "-jwks", o.url+"/.well-known/jwks.json", "-aud", "https://web.example", tk.dir+"/nomad_web.jwt")
}
