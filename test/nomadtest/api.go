package nomadtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Call calls the server's HTTP API as the operator and fails the test unless it
// succeeds. Body is sent as JSON unless it is nil or a []byte; out, if not nil,
// receives the answer.
func (c *Cluster) Call(method, path string, body, out any) {
	c.t.Helper()
	if status, text := c.do(method, c.ServerHTTP+path, body, out); status/100 != 2 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
}

func (c *Cluster) try(method, url string, body, out any) bool {
	status, _ := c.do(method, url, body, out)
	return status/100 == 2
}

func (c *Cluster) do(method, url string, body, out any) (status int, text string) {
	data, raw := body.([]byte)
	if !raw && body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return 0, err.Error()
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		return 0, err.Error()
	}
	if c.Management != "" {
		req.Header.Set("X-Nomad-Token", c.Management)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	if out != nil && resp.StatusCode/100 == 2 {
		if err := json.Unmarshal(answer, out); err != nil {
			return 0, err.Error()
		}
	}
	return resp.StatusCode, string(answer)
}

// Run registers a job in HCL and waits for an allocation of it that runs, whose
// id it returns.
func (c *Cluster) Run(hcl string) (allocID string) {
	c.t.Helper()
	job := c.Register(hcl)
	c.Eventually("job "+job+" to run", func() bool {
		for _, a := range c.Allocations(job) {
			if a.ClientStatus == "running" && a.DesiredStatus == "run" {
				allocID = a.ID
				return true
			}
		}
		return false
	})
	return allocID
}

// Register registers a job in HCL and returns its id.
func (c *Cluster) Register(hcl string) (id string) {
	c.t.Helper()
	var job map[string]any
	c.Call("POST", "/v1/jobs/parse", map[string]any{"JobHCL": hcl, "Canonicalize": true}, &job)
	c.Call("PUT", "/v1/jobs", map[string]any{"Job": job}, nil)
	id = fmt.Sprint(job["ID"])
	c.jobs = append(c.jobs, id)
	return id
}

// Allocation is an allocation as the HTTP API lists it.
type Allocation struct {
	ID, Name, ClientStatus, DesiredStatus string
}

// Allocations returns the allocations of a job, the newest first.
func (c *Cluster) Allocations(job string) []Allocation {
	var list []Allocation
	c.do("GET", c.ServerHTTP+"/v1/job/"+url.PathEscape(job)+"/allocations", nil, &list)
	return list
}

// StopJob stops a job; with purge it is forgotten, too.
func (c *Cluster) StopJob(job string, purge bool) {
	c.t.Helper()
	c.Call("DELETE", fmt.Sprintf("/v1/job/%s?purge=%t", url.PathEscape(job), purge), nil, nil)
}

// GC has the servers forget what has ended.
func (c *Cluster) GC() {
	c.t.Helper()
	c.Call("PUT", "/v1/system/gc", nil, nil)
}

// Policy stores an ACL policy; job, group and task, where not empty, attach it to
// that workload in the namespace default.
func (c *Cluster) Policy(name, rules, job, group, task string) {
	c.t.Helper()
	policy := map[string]any{"Name": name, "Rules": rules}
	if job != "" {
		policy["JobACL"] = map[string]any{"Namespace": "default", "JobID": job, "Group": group, "Task": task}
	}
	c.Call("POST", "/v1/acl/policy/"+name, policy, nil)
}
