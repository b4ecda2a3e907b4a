package nomad

import (
	"fmt"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad/msgpack"
	"github.com/taskagent/taskagent/internal/nomad/rpc"
)

// maxText bounds every text that is kept, other than tokens.
const maxText = 4 << 10

// Allocation is what is wanted of an allocation.
type Allocation struct {
	ID, Name, Namespace string
	Job, Group          string

	desired, client string              // DesiredStatus and ClientStatus
	signed          map[string]string   // default identities by task
	states          map[string]string   // states of tasks that have one
	groups          map[string][]string // tasks of the job's groups
}

// getAllocs is one call of Alloc.GetAllocs for one allocation.
type getAllocs struct {
	index uint64
	found *Allocation // nil: not there, or no news of it
}

func (g *getAllocs) call(allocID string, q rpc.Query) *rpc.Call {
	return &rpc.Call{
		Method: "Alloc.GetAllocs", Query: q, Param: "AllocIDs",
		Value: func(b []byte) []byte { return msgpack.AppendString(msgpack.AppendArray(b, 1), allocID) },
		Reply: func(r *msgpack.Reader) error { return g.read(r, allocID) },
	}
}

// read reads an answer:
//
//	{Allocs: [{ID, …}], Index, …}
func (g *getAllocs) read(r *msgpack.Reader, allocID string) error {
	*g = getAllocs{}
	return r.Fields(func(key string) (taken bool, err error) {
		switch key {
		case "Index":
			g.index, err = r.Uint()
		case "Allocs":
			err = each(r, func() error {
				a, err := readAlloc(r)
				if err == nil && a.ID != allocID {
					err = fmt.Errorf("it is about allocation %.64q", a.ID)
				}
				g.found = a
				return err
			})
		default:
			return false, nil
		}
		return true, err
	})
}

// readAlloc reads an allocation and steps over most of it.
func readAlloc(r *msgpack.Reader) (*Allocation, error) {
	a := new(Allocation)
	texts := map[string]*string{
		"ID": &a.ID, "Name": &a.Name, "Namespace": &a.Namespace, "JobID": &a.Job, "TaskGroup": &a.Group,
		"DesiredStatus": &a.desired, "ClientStatus": &a.client,
	}
	err := r.Fields(func(key string) (taken bool, err error) {
		if p := texts[key]; p != nil {
			*p, err = r.Text(maxText)
			return true, err
		}
		switch key {
		case "SignedIdentities":
			a.signed, err = readTexts(r, identity.MaxTokenSize)
		case "TaskStates":
			a.states, err = readStates(r)
		case "Job":
			a.groups, err = readGroups(r)
		default:
			return false, nil
		}
		return true, err
	})
	return a, err
}

// readTexts reads a map of text.
func readTexts(r *msgpack.Reader, max int) (map[string]string, error) {
	m := make(map[string]string)
	err := r.Fields(func(key string) (_ bool, err error) {
		m[key], err = r.Text(max)
		return true, err
	})
	return m, err
}

// readStates reads the states of tasks by their names: {name: {State, …}}.
func readStates(r *msgpack.Reader) (map[string]string, error) {
	m := make(map[string]string)
	err := r.Fields(func(task string) (bool, error) {
		return true, r.Fields(func(key string) (_ bool, err error) {
			if key != "State" {
				return false, nil
			}
			m[task], err = r.Text(maxText)
			return true, err
		})
	})
	return m, err
}

// readGroups reads the tasks of a job by their groups:
// {TaskGroups: [{Name, Tasks: [{Name, …}], …}], …}.
func readGroups(r *msgpack.Reader) (map[string][]string, error) {
	groups := make(map[string][]string)
	err := r.Fields(func(key string) (bool, error) {
		if key != "TaskGroups" {
			return false, nil
		}
		return true, each(r, func() error {
			var name string
			tasks := []string{}
			err := r.Fields(func(key string) (_ bool, err error) {
				switch key {
				case "Name":
					name, err = r.Text(maxText)
				case "Tasks":
					err = each(r, func() error {
						task, err := readName(r)
						tasks = append(tasks, task)
						return err
					})
				default:
					return false, nil
				}
				return true, err
			})
			groups[name] = tasks
			return err
		})
	})
	return groups, err
}

func readName(r *msgpack.Reader) (name string, err error) {
	err = r.Fields(func(key string) (_ bool, err error) {
		if key != "Name" {
			return false, nil
		}
		name, err = r.Text(maxText)
		return true, err
	})
	return name, err
}

// each calls f for every element of an array; f reads it.
func each(r *msgpack.Reader, f func() error) error {
	n, err := r.Array()
	for i := 0; i < n && err == nil; i++ {
		err = f()
	}
	return err
}
