package acl

import (
	"fmt"
	"strings"
)

// Source is a policy by the name it is stored under.
type Source struct {
	Name   string
	Policy *Policy
}

// Workload says who a workload identity is issued to. Task is empty for the
// identity of a service.
type Workload struct{ Namespace, Job, Group, Task string }

// ACL is what the policies of one token allow. The nil ACL allows nothing.
type ACL struct {
	management bool

	namespaces  ruleSet
	nodePools   ruleSet
	hostVolumes ruleSet
	variables   variableRules

	agent, node, quota, plugin, operator level
	operatorCaps                         capSet

	workload *Workload
	own      [4]string // the workload's own variable paths
}

// Management allows everything, Nothing nothing. Neither has a policy.
var (
	Management = &ACL{management: true}
	Nothing    = &ACL{}
)

// Compile unites the policies of one token. Workload is nil unless the token is
// a workload identity; then the implicit workload policy is added. The policies
// are only read. An error means that a source has no policy.
func Compile(sources []Source, workload *Workload) (*ACL, error) {
	a := new(ACL)
	for _, s := range sources {
		if s.Policy == nil {
			return nil, fmt.Errorf("compile the ACL of a token: policy %q is not parsed", s.Name)
		}
		a.add(s.Name, s.Policy)
	}
	a.namespaces.finish()
	a.nodePools.finish()
	a.hostVolumes.finish()
	a.variables.finish()
	if workload != nil {
		w := *workload
		a.workload = &w
		a.own = ownPaths(w)
	}
	return a, nil
}

// ownPaths returns the four variable paths a workload reads without any policy.
// A service identity has no task, and so only three.
func ownPaths(w Workload) [4]string {
	job := "nomad/jobs/" + w.Job
	group := job + "/" + w.Group
	own := [4]string{"nomad/jobs", job, group, group}
	if w.Task != "" {
		own[3] = group + "/" + w.Task
	}
	return own
}

func (a *ACL) add(name string, p *Policy) {
	for _, ns := range p.Namespaces {
		a.namespaces.add(ns.Name, part{policy: name, caps: namespaceWords.set(ns.Capabilities), place: ns.place, short: ns.Policy})
		if ns.Variables == nil {
			continue
		}
		for _, path := range ns.Variables.Paths {
			a.variables.add(ns.Name, path.PathSpec, part{policy: name, caps: variableWords.set(path.Capabilities), place: path.place})
		}
	}
	for _, np := range p.NodePools {
		a.nodePools.add(np.Name, part{policy: name, caps: nodePoolWords.set(np.Capabilities), place: np.place, short: np.Policy})
	}
	for _, hv := range p.HostVolumes {
		a.hostVolumes.add(hv.Name, part{policy: name, caps: hostVolumeWords.set(hv.Capabilities), place: hv.place, short: hv.Policy})
	}
	for _, l := range []struct {
		rule   *LevelRule
		target *level
	}{{p.Agent, &a.agent}, {p.Node, &a.node}, {p.Quota, &a.quota}, {p.Plugin, &a.plugin}} {
		if l.rule != nil {
			*l.target = max(*l.target, levelOf(l.rule.Policy))
		}
	}
	if op := p.Operator; op != nil {
		a.operator = max(a.operator, levelOf(op.Policy))
		a.operatorCaps |= operatorWords.set(op.Capabilities)
		if a.operatorCaps&denyBit != 0 {
			a.operator, a.operatorCaps = levelDeny, denyBit
		}
	}
}

// IsManagement reports whether everything is allowed.
func (a *ACL) IsManagement() bool { return a != nil && a.management }

// AllowVariable reports whether op (VarRead, …) is allowed on the variable.
func (a *ACL) AllowVariable(op, namespace, path string) bool {
	if a == nil || a.management {
		return a != nil
	}
	bit := variableWords.bit(op) &^ denyBit
	if r := a.variables.exact(namespace, path); r != nil {
		return r.caps&bit != 0
	}
	if ownCaps&bit != 0 && a.isOwn(namespace, path) {
		return true
	}
	r := a.variables.glob(namespace, path)
	return r != nil && r.caps&bit != 0
}

// ownCaps is what the implicit workload policy grants: list and read.
const ownCaps capSet = 1<<1 | 1<<2

// isOwn reports whether the implicit workload policy speaks of the path.
func (a *ACL) isOwn(namespace, path string) bool {
	w := a.workload
	return w != nil && namespace == w.Namespace && strings.HasPrefix(path, "nomad/jobs") &&
		(path == a.own[3] || path == a.own[2] || path == a.own[1] || path == a.own[0])
}

// AllowVariableSearch reports whether any variable of the namespace ("*": of
// any namespace) might be listed. It answers before the paths are known, so a
// yes promises nothing: check each variable with AllowVariable.
func (a *ACL) AllowVariableSearch(namespace string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.workload != nil && (namespace == "*" || namespace == a.workload.Namespace) || a.variables.mayList(namespace)
}

// AllowNamespaceOp reports whether the capability is held in the namespace; in
// "*" when any rule grants it somewhere, so that the caller filters what it shows.
func (a *ACL) AllowNamespaceOp(namespace, capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.namespaces.allow(namespace, namespaceWords.bit(capability))
}

// AllowNamespace reports whether any capability at all is held in the
// namespace ("*": in any). Rules for variables do not count.
func (a *ACL) AllowNamespace(namespace string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.namespaces.allow(namespace, ^capSet(0))
}

// AllowServiceRead reports whether services of the namespace may be listed and
// read: by any workload, and by others that may read jobs there.
func (a *ACL) AllowServiceRead(namespace string) bool {
	return a != nil && (a.workload != nil && namespace != "*" || a.AllowNamespaceOp(namespace, NamespaceReadJob))
}

// AllowNodePoolOp reports whether the capability is held for the node pool.
func (a *ACL) AllowNodePoolOp(pool, capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.nodePools.find(pool).allows(nodePoolWords.bit(capability))
}

// AllowHostVolumeOp reports whether the capability is held for the host volume.
func (a *ACL) AllowHostVolumeOp(volume, capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.hostVolumes.find(volume).allows(hostVolumeWords.bit(capability))
}

// AllowOperatorOp reports whether one of the operator's capabilities is held.
func (a *ACL) AllowOperatorOp(capability string) bool {
	if a == nil || a.management {
		return a != nil
	}
	return a.operatorCaps&operatorWords.bit(capability)&^denyBit != 0
}

// AllowNodeRead reports whether nodes may be read.
func (a *ACL) AllowNodeRead() bool { return a.IsManagement() || a != nil && a.node.reads() }

// AllowNodeWrite reports whether nodes may be changed.
func (a *ACL) AllowNodeWrite() bool { return a.IsManagement() || a != nil && a.node.writes() }

// AllowAgentRead reports whether the agent may be asked about itself.
func (a *ACL) AllowAgentRead() bool { return a.IsManagement() || a != nil && a.agent.reads() }

// AllowAgentWrite reports whether the agent may be changed.
func (a *ACL) AllowAgentWrite() bool { return a.IsManagement() || a != nil && a.agent.writes() }

// AllowOperatorRead reports whether the operator's settings may be read.
func (a *ACL) AllowOperatorRead() bool { return a.IsManagement() || a != nil && a.operator.reads() }

// AllowOperatorWrite reports whether the operator's settings may be changed.
func (a *ACL) AllowOperatorWrite() bool { return a.IsManagement() || a != nil && a.operator.writes() }

// AllowQuotaRead reports whether quotas may be read.
func (a *ACL) AllowQuotaRead() bool { return a.IsManagement() || a != nil && a.quota.reads() }

// AllowQuotaWrite reports whether quotas may be changed.
func (a *ACL) AllowQuotaWrite() bool { return a.IsManagement() || a != nil && a.quota.writes() }

// AllowPluginRead reports whether plugins may be read.
func (a *ACL) AllowPluginRead() bool { return a.IsManagement() || a != nil && a.plugin.reads() }

// AllowPluginList reports whether plugins may be listed.
func (a *ACL) AllowPluginList() bool { return a.IsManagement() || a != nil && a.plugin.lists() }

// level is a policy without capabilities, the greater the stronger: deny over
// write over read over list.
type level uint8

const (
	levelNone level = iota
	levelList
	levelRead
	levelWrite
	levelDeny
)

// levelOf returns the level of a policy word; scale grants nothing here.
func levelOf(policy string) level {
	switch policy {
	case "list":
		return levelList
	case "read":
		return levelRead
	case "write":
		return levelWrite
	case Deny:
		return levelDeny
	default:
		return levelNone
	}
}

func (l level) lists() bool  { return l == levelList || l.reads() }
func (l level) reads() bool  { return l == levelRead || l.writes() }
func (l level) writes() bool { return l == levelWrite }
