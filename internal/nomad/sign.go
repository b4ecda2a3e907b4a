package nomad

import (
	"fmt"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad/msgpack"
	"github.com/taskagent/taskagent/internal/nomad/rpc"
)

// The types of workload an identity can be for.
const (
	workloadTask    = 0
	workloadService = 1
)

// signIdentities is one call of Alloc.SignIdentities.
type signIdentities struct {
	asked    []identity.Spec
	signed   []signedIdentity
	rejected []Rejected
}

type signedIdentity struct {
	spec identity.Spec
	raw  string
}

func (s *signIdentities) call(allocID, task string, q rpc.Query) *rpc.Call {
	return &rpc.Call{
		Method: "Alloc.SignIdentities", Query: q, Param: "Identities",
		Value: func(b []byte) []byte {
			b = msgpack.AppendArray(b, len(s.asked))
			for _, spec := range s.asked {
				b = appendRequest(b, allocID, task, spec)
			}
			return b
		},
		Reply: func(r *msgpack.Reader) error { return s.read(r, allocID, task) },
	}
}

// workload returns what an identity is for: its task, or the service it names.
func workload(task string, spec identity.Spec) (name string, kind uint64) {
	if spec.Service != "" {
		return spec.Service, workloadService
	}
	return task, workloadTask
}

func appendRequest(b []byte, allocID, task string, spec identity.Spec) []byte {
	name, kind := workload(task, spec)
	b = msgpack.AppendMap(b, 4)
	b = msgpack.AppendString(b, "AllocID")
	b = msgpack.AppendString(b, allocID)
	b = msgpack.AppendString(b, "IdentityName")
	b = msgpack.AppendString(b, spec.Name)
	b = msgpack.AppendString(b, "WorkloadIdentifier")
	b = msgpack.AppendString(b, name)
	b = msgpack.AppendString(b, "WorkloadType")
	return msgpack.AppendUint(b, kind)
}

// read reads an answer:
//
//	{SignedIdentities: [{…, JWT}], Rejections: [{…, Reason}], …}
//
// where … repeats the request. An identity that is in neither list counts as
// rejected; one that was not asked for is an error.
func (s *signIdentities) read(r *msgpack.Reader, allocID, task string) error {
	s.signed, s.rejected = nil, nil
	answered := make(map[string]bool, len(s.asked))
	one := func() error {
		a, err := readSigned(r)
		if err != nil {
			return err
		}
		for _, spec := range s.asked {
			name, kind := workload(task, spec)
			if a.allocID != allocID || a.name != spec.Name || a.workload != name || a.kind != kind || answered[spec.Name] {
				continue
			}
			answered[spec.Name] = true
			if a.raw != "" {
				s.signed = append(s.signed, signedIdentity{spec, a.raw})
			} else {
				s.rejected = append(s.rejected, Rejected{spec.Name, spec.Service, a.reason})
			}
			return nil
		}
		return fmt.Errorf("it has identity %.64q of %.64q in allocation %.64q, which was not asked for", a.name, a.workload, a.allocID)
	}
	err := r.Fields(func(key string) (bool, error) {
		switch key {
		case "SignedIdentities", "Rejections":
			return true, each(r, one)
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	for _, spec := range s.asked {
		if !answered[spec.Name] {
			s.rejected = append(s.rejected, Rejected{spec.Name, spec.Service, reasonSilence})
		}
	}
	return nil
}

// answer is an element of either list.
type answer struct {
	allocID, name, workload string
	kind                    uint64
	raw                     string // the token; empty: rejected
	reason                  string
}

func readSigned(r *msgpack.Reader) (a answer, err error) {
	err = r.Fields(func(key string) (_ bool, err error) {
		switch key {
		case "AllocID":
			a.allocID, err = r.Text(maxText)
		case "IdentityName":
			a.name, err = r.Text(maxText)
		case "WorkloadIdentifier":
			a.workload, err = r.Text(maxText)
		case "WorkloadType":
			a.kind, err = r.Uint()
		case "JWT":
			a.raw, err = r.Text(identity.MaxTokenSize)
		case "Reason":
			a.reason, err = r.Text(maxText)
		default:
			return false, nil
		}
		return true, err
	})
	return a, err
}
