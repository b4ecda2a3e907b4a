package jobspec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// job is the job block: its groups, and tasks outside of a group, each of
// which Nomad takes for a group of the same name.
type job struct {
	file    *file
	content *content
	id      string
	name    string
	groups  []*group
}

// group is a group block, or a lone task.
type group struct {
	job     *job
	name    string
	content *content // nil for a lone task
	tasks   []*block
	block   *block
}

// task is the task that was chosen.
type task struct {
	group   *group
	name    string
	content *content
}

func (f *file) job() (*job, error) {
	switch len(f.jobs) {
	case 0:
		e := &Error{File: f.path, Message: "there is no job block in the file"}
		if strings.HasSuffix(f.path, ".json") {
			e.hint = "the JSON of Nomad's API is not read; give the job file it was made from"
		}
		return nil, e
	case 1:
	default:
		return nil, errorAt(f.jobs[1].DefRange, "a second job block; a file has one job")
	}
	b := f.jobs[0]
	outer := &block{scope: &scope{file: f}, kind: b.Type, labels: b.Labels, body: b.Body, place: b.DefRange}
	c, err := outer.read(schema{
		attributes: []string{"id", "name", "namespace", "region", "datacenters"},
		blocks:     map[string]int{"group": 1, "task": 1, "vault": 0},
	})
	if err != nil {
		return nil, err
	}
	j := &job{file: f, content: c, id: b.Labels[0], name: b.Labels[0]}
	for _, attr := range []struct {
		name   string
		target *string
	}{{"id", &j.id}, {"name", &j.name}} {
		if v, err := c.text(attr.name); err != nil {
			return nil, err
		} else if v != "" {
			*attr.target = v
		}
	}
	for _, b := range c.all("task") {
		j.groups = append(j.groups, &group{job: j, name: b.labels[0], tasks: []*block{b}, block: b})
	}
	for _, b := range c.all("group") {
		j.groups = append(j.groups, &group{job: j, name: b.labels[0], block: b})
	}
	return j, nil
}

// pickGroup returns the group by name, or the only one.
func (j *job) pickGroup(name string) (*group, error) {
	names := make([]string, len(j.groups))
	for i, g := range j.groups {
		names[i] = g.name
	}
	i, err := pick(j.file.path, fmt.Sprintf("job %q", j.id), "group", name, names)
	if err != nil {
		return nil, err
	}
	g := j.groups[i]
	if g.tasks != nil {
		return g, nil
	}
	g.content, err = g.block.read(schema{blocks: map[string]int{"task": 1, "service": 0, "network": 0, "vault": 0, "consul": 0}})
	if err != nil {
		return nil, err
	}
	g.tasks = g.content.all("task")
	return g, nil
}

// pickTask returns the task by name, or the only one.
func (g *group) pickTask(name string) (*task, error) {
	names := make([]string, len(g.tasks))
	for i, b := range g.tasks {
		names[i] = b.labels[0]
	}
	i, err := pick(g.job.file.path, fmt.Sprintf("group %q", g.name), "task", name, names)
	if err != nil {
		return nil, err
	}
	c, err := g.tasks[i].read(schema{
		attributes: []string{"user"},
		blocks:     map[string]int{"identity": 0, "service": 0, "resources": 0, "vault": 0, "consul": 0},
	})
	if err != nil {
		return nil, err
	}
	return &task{group: g, name: names[i], content: c}, nil
}

// pick finds the name, or the only one when it is empty.
func pick(path, owner, what, name string, names []string) (int, error) {
	list := strings.Join(names, ", ")
	e := &Error{File: path}
	i := 0
	switch {
	case len(names) == 0:
		e.Message = fmt.Sprintf("%s has no %s", owner, what)
		return 0, e
	case name == "" && len(names) > 1:
		e.Message = fmt.Sprintf("%s has %d %ss: %s", owner, len(names), what, list)
		e.hint = fmt.Sprintf("choose one with -%s", what)
		return 0, e
	case name != "":
		if i = slices.Index(names, name); i < 0 {
			e.Message = fmt.Sprintf("%s has no %s %q, but %s", owner, what, name, list)
			return 0, e
		}
	}
	if slices.Contains(names[i+1:], names[i]) {
		e.Message = fmt.Sprintf("%s has two %ss named %q", owner, what, names[i])
		return 0, e
	}
	return i, nil
}

// read evaluates what is wanted of the chosen task.
func (t *task) read() (*Task, error) {
	j := t.group.job
	out := &Task{Job: j.id, JobName: j.name, Group: t.group.name, Task: t.name}
	var err error
	if out.Namespace, err = j.content.text("namespace"); err != nil {
		return nil, err
	}
	// Region and datacenter only show in the environment: no reason to give up.
	if out.Region, err = j.content.text("region"); err != nil {
		out.warn("the job's region is left out: %v", err)
	}
	if centers, err := j.content.texts("datacenters"); err != nil {
		out.warn("the job's datacenters are left out: %v", err)
	} else if len(centers) > 0 && !strings.Contains(centers[0], "*") {
		out.Datacenter = centers[0]
	}
	if out.User, err = t.content.text("user"); err != nil {
		return nil, err
	}
	if err := t.readIdentities(out); err != nil {
		return nil, err
	}
	if err := t.readServices(out); err != nil {
		return nil, err
	}
	return out, t.validate(out)
}

func (t *Task) warn(format string, args ...any) {
	t.Warnings = append(t.Warnings, fmt.Sprintf(format, args...))
}

// warnAt adds a warning about a place in the file.
func (t *Task) warnAt(r hcl.Range, format string, args ...any) {
	t.Warnings = append(t.Warnings, errorAt(r, format, args...).Error())
}
