package acl

import "errors"

// Attachment binds a policy to workloads; its JSON form is Nomad's JobACL. What
// is empty is not looked at, but an attachment without a namespace is to nothing.
type Attachment struct {
	Namespace string
	JobID     string
	Group     string
	Task      string
}

// Validate reports an attachment to a part of something unnamed, in Nomad's words.
func (t Attachment) Validate() error {
	var problems []error
	if t.JobID != "" && t.Namespace == "" {
		problems = append(problems, errors.New("namespace must be set to set job ID"))
	}
	if t.Group != "" && t.JobID == "" {
		problems = append(problems, errors.New("job ID must be set to set group"))
	}
	if t.Task != "" && t.Group == "" {
		problems = append(problems, errors.New("group must be set to set task"))
	}
	return errors.Join(problems...)
}

// AppliesTo reports whether the policy is one of the workload's: it is bound to
// the whole namespace, or to its job, and the group and task where they are set.
func (t Attachment) AppliesTo(w Workload) bool {
	switch {
	case t.Namespace == "" || t.Namespace != w.Namespace:
		return false
	case t.JobID == "":
		return true
	case t.JobID != w.Job:
		return false
	case t.Group == "":
		return true
	default:
		return t.Group == w.Group && (t.Task == "" || t.Task == w.Task)
	}
}
