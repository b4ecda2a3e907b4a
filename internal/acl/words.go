package acl

import (
	"fmt"
	"slices"
	"strings"
)

// Deny is the capability, and the policy, that takes everything away.
const Deny = "deny"

// What may be done to a variable, as a path block's capabilities name it.
const (
	VarList    = "list"
	VarRead    = "read"
	VarWrite   = "write"
	VarDestroy = "destroy"
)

// The capabilities of a namespace.
const (
	NamespaceListJobs                  = "list-jobs"
	NamespaceParseJob                  = "parse-job"
	NamespaceReadJob                   = "read-job"
	NamespaceSubmitJob                 = "submit-job"
	NamespaceDispatchJob               = "dispatch-job"
	NamespaceReadLogs                  = "read-logs"
	NamespaceReadFS                    = "read-fs"
	NamespaceAllocExec                 = "alloc-exec"
	NamespaceAllocNodeExec             = "alloc-node-exec"
	NamespaceAllocLifecycle            = "alloc-lifecycle"
	NamespaceSentinelOverride          = "sentinel-override"
	NamespaceCSIRegisterPlugin         = "csi-register-plugin"
	NamespaceCSIWriteVolume            = "csi-write-volume"
	NamespaceCSIReadVolume             = "csi-read-volume"
	NamespaceCSIListVolume             = "csi-list-volume"
	NamespaceCSIMountVolume            = "csi-mount-volume"
	NamespaceHostVolumeCreate          = "host-volume-create"
	NamespaceHostVolumeRegister        = "host-volume-register"
	NamespaceHostVolumeRead            = "host-volume-read"
	NamespaceHostVolumeWrite           = "host-volume-write"
	NamespaceHostVolumeDelete          = "host-volume-delete"
	NamespaceListScalingPolicies       = "list-scaling-policies"
	NamespaceReadScalingPolicy         = "read-scaling-policy"
	NamespaceReadJobScaling            = "read-job-scaling"
	NamespaceScaleJob                  = "scale-job"
	NamespaceSubmitRecommendation      = "submit-recommendation"
	NamespaceRegisterJob               = "register-job"
	NamespaceRevertJob                 = "revert-job"
	NamespaceDeregisterJob             = "deregister-job"
	NamespacePurgeJob                  = "purge-job"
	NamespaceEvaluateJob               = "evaluate-job"
	NamespacePlanJob                   = "plan-job"
	NamespaceTagJobVersion             = "tag-job-version"
	NamespaceStableJob                 = "stable-job"
	NamespaceFailDeployment            = "fail-deployment"
	NamespacePauseDeployment           = "pause-deployment"
	NamespacePromoteDeployment         = "promote-deployment"
	NamespaceUnblockDeployment         = "unblock-deployment"
	NamespaceCancelDeployment          = "cancel-deployment"
	NamespaceSetAllocHealth            = "set-alloc-health-deployment"
	NamespaceGCAllocation              = "gc-allocation"
	NamespacePauseAllocation           = "pause-allocation"
	NamespaceForcePeriodicJob          = "force-periodic-job"
	NamespaceDeleteServiceRegistration = "delete-service-registration"
)

// The capabilities of a node pool, a host volume and the operator.
const (
	NodePoolRead             = "read"
	NodePoolWrite            = "write"
	NodePoolDelete           = "delete"
	HostVolumeMountReadOnly  = "mount-readonly"
	HostVolumeMountReadWrite = "mount-readwrite"
	OperatorSnapshotSave     = "snapshot-save"
	OperatorLicenseRead      = "license-read"
	OperatorKeyringRotate    = "keyring-rotate"
	OperatorKeyringRead      = "keyring-read"
	OperatorKeyringDelete    = "keyring-delete"
)

// capSet is a set of capabilities of one vocabulary: bit i stands for its word i.
type capSet uint64

// denyBit is Deny in every vocabulary.
const denyBit capSet = 1

// vocabulary is the capabilities of one kind of block and what its policies
// stand for. Deny is always the first word.
type vocabulary struct {
	what        string
	words       []string
	read, write []string
	scale       []string
	nameChars   string // what a name may hold besides letters and digits
}

// The words below are constant data: nothing is built when the program starts.
var (
	blockWords     = [...]string{"namespace", "node_pool", "host_volume", "agent", "node", "operator", "quota", "plugin", "sentinel"}
	plainPolicies  = []string{"read", "write", "scale", Deny} // scale is taken everywhere, as in Nomad; it means something for namespaces
	pluginPolicies = []string{"list", "read", "write", Deny}

	variableWords = vocabulary{what: "variable", words: []string{Deny, VarList, VarRead, VarWrite, VarDestroy}}
	nodePoolWords = vocabulary{
		what: "node pool", words: []string{Deny, NodePoolDelete, NodePoolRead, NodePoolWrite}, nameChars: "-_*",
		read: []string{NodePoolRead}, write: []string{NodePoolDelete, NodePoolRead, NodePoolWrite},
	}
	hostVolumeWords = vocabulary{
		what: "host volume", words: []string{Deny, HostVolumeMountReadOnly, HostVolumeMountReadWrite}, nameChars: "-*",
		read: []string{HostVolumeMountReadOnly}, write: []string{HostVolumeMountReadOnly, HostVolumeMountReadWrite},
	}
	operatorWords = vocabulary{
		what: "operator",
		words: []string{Deny, OperatorSnapshotSave, OperatorLicenseRead, OperatorKeyringRotate,
			OperatorKeyringRead, OperatorKeyringDelete},
		read: []string{OperatorLicenseRead, OperatorKeyringRead},
		write: []string{OperatorSnapshotSave, OperatorLicenseRead, OperatorKeyringRotate, OperatorKeyringRead,
			OperatorKeyringDelete},
	}
	sentinelWords = vocabulary{
		what: "sentinel", words: []string{Deny, "sentinel-read", "sentinel-submit", "sentinel-delete"},
		read: []string{"sentinel-read"}, write: []string{"sentinel-read", "sentinel-submit", "sentinel-delete"},
	}
	namespaceWords = vocabulary{
		what: "namespace",
		words: []string{Deny, NamespaceListJobs, NamespaceParseJob, NamespaceReadJob, NamespaceSubmitJob, NamespaceDispatchJob,
			NamespaceReadLogs, NamespaceReadFS, NamespaceAllocExec, NamespaceAllocNodeExec, NamespaceAllocLifecycle,
			NamespaceSentinelOverride, NamespaceCSIRegisterPlugin, NamespaceCSIWriteVolume, NamespaceCSIReadVolume,
			NamespaceCSIListVolume, NamespaceCSIMountVolume, NamespaceHostVolumeCreate, NamespaceHostVolumeRegister,
			NamespaceHostVolumeRead, NamespaceHostVolumeWrite, NamespaceHostVolumeDelete, NamespaceListScalingPolicies,
			NamespaceReadScalingPolicy, NamespaceReadJobScaling, NamespaceScaleJob, NamespaceSubmitRecommendation,
			NamespaceRegisterJob, NamespaceRevertJob, NamespaceDeregisterJob, NamespacePurgeJob, NamespaceEvaluateJob,
			NamespacePlanJob, NamespaceTagJobVersion, NamespaceStableJob, NamespaceFailDeployment, NamespacePauseDeployment,
			NamespacePromoteDeployment, NamespaceUnblockDeployment, NamespaceCancelDeployment, NamespaceSetAllocHealth,
			NamespaceGCAllocation, NamespacePauseAllocation, NamespaceForcePeriodicJob, NamespaceDeleteServiceRegistration},
		read: namespaceWrite[:9], write: namespaceWrite[:],
		scale: []string{NamespaceListScalingPolicies, NamespaceReadScalingPolicy, NamespaceReadJobScaling, NamespaceScaleJob,
			NamespaceReadJob, NamespaceSubmitRecommendation},
	}
	// namespaceWrite is what policy = "write" stands for; the first nine are "read".
	namespaceWrite = [...]string{NamespaceListJobs, NamespaceParseJob, NamespaceReadJob, NamespaceCSIListVolume,
		NamespaceCSIReadVolume, NamespaceReadJobScaling, NamespaceListScalingPolicies, NamespaceReadScalingPolicy,
		NamespaceHostVolumeRead,
		NamespaceScaleJob, NamespaceSubmitJob, NamespaceDispatchJob, NamespaceReadLogs, NamespaceReadFS, NamespaceAllocExec,
		NamespaceAllocLifecycle, NamespaceCSIMountVolume, NamespaceCSIWriteVolume, NamespaceSubmitRecommendation,
		NamespaceHostVolumeCreate}
)

// bit returns the capability's bit, 0 when the vocabulary does not have it.
func (v *vocabulary) bit(name string) capSet {
	if i := slices.Index(v.words, name); i >= 0 {
		return 1 << i
	}
	return 0
}

// set returns the capabilities named, which the vocabulary must have.
func (v *vocabulary) set(names []string) (s capSet) {
	for _, name := range names {
		s |= v.bit(name)
	}
	return s
}

// names lists a set's words in the order of the vocabulary.
func (v *vocabulary) names(s capSet) []string {
	var names []string
	for i, w := range v.words {
		if s&(1<<i) != 0 {
			names = append(names, w)
		}
	}
	return names
}

// expand returns the capabilities that a policy stands for.
func (v *vocabulary) expand(policy string) []string {
	switch policy {
	case "read":
		return v.read
	case "write":
		return v.write
	case "scale":
		return v.scale
	case Deny:
		return v.words[:1]
	default:
		return nil
	}
}

// unknown is the error text for a capability that the vocabulary does not have.
func (v *vocabulary) unknown(name string) string {
	if len(v.words) <= 8 {
		return fmt.Sprintf("unknown %s capability %q; known are %s", v.what, name, strings.Join(v.words, ", "))
	}
	if near := nearest(name, v.words); near != "" {
		return fmt.Sprintf("unknown %s capability %q; did you mean %q?", v.what, name, near)
	}
	return fmt.Sprintf("unknown %s capability %q", v.what, name)
}

// nearest returns the word at most a third of its letters away from name.
func nearest(name string, words []string) string {
	best, found := 1+len(name)/3, ""
	for _, w := range words {
		if d := distance(name, w); d < best {
			best, found = d, w
		}
	}
	return found
}

// distance is the edit distance of two short words; long ones are far apart.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, previous+1)
		}
	}
	return row[len(b)]
}

// impliedByHostVolumes returns what the host volume capabilities among caps
// bring with them.
func impliedByHostVolumes(caps []string) []string {
	var more []string
	for _, c := range caps {
		switch c {
		case NamespaceHostVolumeWrite:
			more = append(more, NamespaceHostVolumeRegister, NamespaceHostVolumeCreate, NamespaceHostVolumeDelete, NamespaceHostVolumeRead)
		case NamespaceHostVolumeRegister:
			more = append(more, NamespaceHostVolumeCreate, NamespaceHostVolumeRead)
		case NamespaceHostVolumeCreate:
			more = append(more, NamespaceHostVolumeRead)
		}
	}
	return more
}
