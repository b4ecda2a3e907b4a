package jobspec

import (
	"cmp"
	"strings"

	"github.com/taskagent/taskagent/internal/wire"
)

// Claims are what vault and consul blocks, or the flags in their place, add to
// some of a task's identities.
type Claims struct{ ConsulNamespace, VaultNamespace, VaultRole string }

// Apply adds to each identity the claims that are not empty and that its name
// entitles it to (see the package comment). It overwrites what is there.
func (c Claims) Apply(identities []wire.Identity) {
	for i := range identities {
		id := &identities[i]
		if isConsul(id.Name) {
			id.ConsulNamespace = cmp.Or(c.ConsulNamespace, id.ConsulNamespace)
		}
		if isVault(id.Name) && id.Service == "" {
			id.VaultNamespace = cmp.Or(c.VaultNamespace, id.VaultNamespace)
			id.VaultRole = cmp.Or(c.VaultRole, id.VaultRole)
		}
	}
}

func isVault(name string) bool {
	cluster, ok := strings.CutPrefix(name, "vault_")
	return ok && cluster != ""
}

func isConsul(name string) bool {
	return strings.HasPrefix(name, "consul_") || strings.HasPrefix(name, "consul-service_")
}

var (
	vaultSchema = schema{
		strict:     true,
		attributes: []string{"role", "namespace"},
		ignoredAttributes: []string{"policies", "cluster", "env", "disable_file", "change_mode", "change_signal",
			"allow_token_expiration"},
	}
	consulSchema = schema{
		strict:            true,
		attributes:        []string{"namespace"},
		ignoredAttributes: []string{"cluster", "partition"},
	}
)

// claims reads the vault and consul blocks that are the task's: the nearest.
func (t *task) claims() (c Claims, err error) {
	vault, err := nearest("vault", t.content, t.group.content, t.group.job.content)
	if err != nil {
		return c, err
	}
	if vault != nil {
		found, err := vault.read(vaultSchema)
		if err != nil {
			return c, err
		}
		if c.VaultRole, err = found.text("role"); err != nil {
			return c, err
		}
		if c.VaultNamespace, err = found.text("namespace"); err != nil {
			return c, err
		}
	}
	c.ConsulNamespace, err = consulNamespace(t.content, t.group.content)
	return c, err
}

// consulNamespace reads the nearest consul block.
func consulNamespace(levels ...*content) (string, error) {
	consul, err := nearest("consul", levels...)
	if err != nil || consul == nil {
		return "", err
	}
	found, err := consul.read(consulSchema)
	if err != nil {
		return "", err
	}
	return found.text("namespace")
}

// nearest returns the block of the first level that has one.
func nearest(kind string, levels ...*content) (*block, error) {
	for _, c := range levels {
		if c == nil {
			continue
		}
		if b, err := c.only(kind); b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}
