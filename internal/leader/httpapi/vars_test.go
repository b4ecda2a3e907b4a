package httpapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// masked hides what differs from run to run.
func masked(s string) string {
	s = regexp.MustCompile(`"(Create|Modify)(Index|Time)":[1-9]\d*`).ReplaceAllString(s, `"$1$2":N`)
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(s, "UUID")
}

// meta is a variable's masked JSON with something in the middle.
func meta(middle, namespace, path string) string {
	return fmt.Sprintf(`{"CreateIndex":N,"CreateTime":N,%s"ModifyIndex":N,"ModifyTime":N,"Namespace":"%s","Path":"%s"}`, middle, namespace, path)
}

func none(path string) string {
	return fmt.Sprintf(`{"CreateIndex":0,"CreateTime":0,"ModifyIndex":0,"ModifyTime":0,"Namespace":"default","Path":"%s"}`, path)
}

// step is a request of the operator and its masked answer.
type step struct {
	request string // method and path
	body    any
	status  int
	answer  string
}

func (w *world) steps(t *testing.T, list []step) {
	t.Helper()
	for _, s := range list {
		method, path, _ := strings.Cut(s.request, " ")
		if a := w.as(method, path, s.body); a.status != s.status || masked(a.body) != s.answer {
			t.Errorf("%s << %.100v\n got %d %.300s\nwant %d %s", s.request, s.body, a.status, masked(a.body), s.status, s.answer)
		}
	}
}

func TestVariableWrites(t *testing.T) {
	w := newWorld(t)
	kv := obj{"Items": obj{"k": "v"}}
	item := `"Items":{"k":"v"},`
	const twice, reserved = "RPC Error:: 400,", `only paths at "nomad/jobs" or "nomad/job-templates" and below are valid paths under the top-level "nomad" directory`
	const templates = `"nomad/job-templates" is a reserved directory path, but you may write variables at the level below it, for example, "nomad/job-templates/template-name"`
	w.steps(t, []step{
		{"PUT /v1/var/a", kv, 200, meta(item, "default", "a")},
		{"POST /v1/var/a", kv, 200, meta(item, "default", "a")},
		{"PUT /v1/var/a", obj{"Path": "elsewhere", "Items": obj{"k": "v"}}, 200, meta(item, "default", "a")},
		{"PUT /v1/var/a?namespace=x", kv, 200, meta(item, "x", "a")},
		{"PUT /v1/var/a?namespace=x", obj{"Namespace": "y", "Items": obj{"k": "v"}}, 200, meta(item, "y", "a")},
		{"PUT /v1/var/a", `{"Items":{"k":null}}`, 200, meta(`"Items":{"k":""},`, "default", "a")},
		{"PUT /v1/var/a", `{"Items":{"z":"<&>\"","a":"é\u0000"}} trailing`, 200, meta(`"Items":{"a":"é\u0000","z":"<&>\""},`, "default", "a")},
		{"PUT /v1/var/a%2Fb", kv, 200, meta(item, "default", "a/b")},
		{"PUT /v1/var/a/", kv, 200, meta(item, "default", "a/")},
		{"PUT /v1/var/nomad/jobs", kv, 200, meta(item, "default", "nomad/jobs")},
		{"PUT /v1/var/nomad/sentinel", kv, 200, meta(item, "default", "nomad/sentinel")},
		{"PUT /v1/var/nomad/job-templates/a", kv, 200, meta(item, "default", "nomad/job-templates/a")},
		{"PUT /v1/var/" + strings.Repeat("x", 128), kv, 200, meta(item, "default", strings.Repeat("x", 128))},
		{"PUT /v1/var/" + strings.Repeat("x", 129), kv, 400, twice + `invalid path "` + strings.Repeat("x", 129) + `"`},
		{"PUT /v1/var/a%20b", kv, 400, twice + `invalid path "a b"`},
		{"PUT /v1/var/a.b", kv, 400, twice + `invalid path "a.b"`},
		{"PUT /v1/var/%C3%BC", kv, 400, twice + `invalid path "ü"`},
		{"PUT /v1/var/nomad", kv, 400, twice + `"nomad" is a reserved top-level directory path, but you may write variables to "nomad/jobs", "nomad/job-templates", "nomad/sentinel", or below`},
		{"PUT /v1/var/nomad/", kv, 400, twice + reserved},
		{"PUT /v1/var/nomad/secret", kv, 400, twice + reserved},
		{"PUT /v1/var/nomad/job-templates", kv, 400, twice + templates},
		{"PUT /v1/var/nomad/job-templates/a/b", kv, 400, twice + templates},
		{"PUT /v1/var/a", nil, 400, "Request body is empty"},
		{"PUT /v1/var/a", " ", 400, "EOF"},
		{"PUT /v1/var/a", "{", 400, "unexpected EOF"},
		{"PUT /v1/var/a", "null", 400, "variable missing required Items object"},
		{"PUT /v1/var/a", obj{"Items": obj{}}, 400, "variable missing required Items object"},
		{"PUT /v1/var/a", `{"Items":{"a":"b"},"Lock":{"TTL":"15s"}}`, 400, twice + twice + "variable should not contain lock definition"},
		{"PUT /v1/var/a?namespace=*", kv, 400, twice + `can not target wildcard ("*")namespace`},
		{"PUT /v1/var/a?namespace=a%00b", kv, 400, twice + `invalid namespace "a\x00b"`},
		{"PUT /v1/var/a", obj{"Items": obj{"k": strings.Repeat("x", 65536)}}, 400, twice + "variables are limited to 64KiB in total size"},
		{"PUT /v1/var/a?cas=x", kv, 400, `can not parse cas: strconv.ParseUint: parsing "x": invalid syntax`},
		{"PUT /v1/var/a?cas=0", kv, 409, meta(`"Items":{"a":"é\u0000","z":"<&>\""},`, "default", "a")},
		{"PUT /v1/var/new?cas=5", kv, 409, none("new")},
		{"PUT /v1/var/new?cas=0", kv, 200, meta(item, "default", "new")},
		{"PUT /v1/var/new?region=elsewhere", kv, 500, "No path to region"},
		{"PATCH /v1/var/a", kv, 400, "Invalid method"},
		{"PUT /v1/var/", kv, 400, "missing variable path"},
		{"DELETE /v1/var/new?cas=1", nil, 409, meta(item, "default", "new")},
		{"DELETE /v1/var/new?cas=0", nil, 409, meta(item, "default", "new")},
		{"DELETE /v1/var/none?cas=0", nil, 204, ""},
		{"DELETE /v1/var/none?cas=7", nil, 409, none("none")},
		{"DELETE /v1/var/none", nil, 204, ""},
		{"DELETE /v1/var/new", nil, 204, ""},
		{"GET /v1/var/new", nil, 404, "variable not found"},
		{"GET /v1/var/a/b", nil, 200, meta(item, "default", "a/b")},
		{"GET /v1/var/a?namespace=y", nil, 200, meta(item, "y", "a")},
		{"GET /v1/var/a?namespace=*", nil, 404, "variable not found"},
		{"GET /v1/var/a?wait=zz", nil, 400, "Invalid wait timefailed to parse parameters"},
		{"POST /v1/vars", nil, 405, "Invalid method"},
	})
}

func TestVariableHeaders(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}})
	workload := w.start(state.Task{Job: "j", Group: "g", Task: "t"})
	check := func(a answer, index, leader bool, contentType string) {
		t.Helper()
		h := a.header
		if (h.Get("X-Nomad-Index") != "") != index || (h.Get("X-Nomad-KnownLeader") == "true") != leader ||
			(h.Get("X-Nomad-LastContact") == "0") != leader || h.Get("Content-Type") != contentType {
			t.Errorf("%v with %v", a, h)
		}
	}
	const js, text = "application/json", "text/plain; charset=utf-8"
	check(w.as("GET", "/v1/var/a", nil), true, true, js)
	check(w.as("GET", "/v1/var/none", nil), true, true, text)
	check(w.as("GET", "/v1/vars", nil), true, true, js)
	check(w.as("PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}}), true, false, js)
	check(w.as("PUT", "/v1/var/a?cas=0", obj{"Items": obj{"k": "v"}}), true, false, text)
	check(w.as("PUT", "/v1/var/a?cas=x", obj{"Items": obj{"k": "v"}}), false, false, text)
	check(w.as("DELETE", "/v1/var/none", nil), true, false, "")
	check(w.do(w.task, workload, "GET", "/v1/var/a", nil), false, false, text)
	check(w.do(w.task, workload, "PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}}), true, false, text)
	check(w.do(w.task, workload, "DELETE", "/v1/var/a", nil), true, false, text)

	// The index of one variable is its own, of a list or a missing one the table's.
	first := w.as("GET", "/v1/var/a", nil).header.Get("X-Nomad-Index")
	w.must("PUT", "/v1/var/b", obj{"Items": obj{"k": "v"}})
	if got := w.as("GET", "/v1/var/a", nil).header.Get("X-Nomad-Index"); got != first {
		t.Errorf("the index of a went from %s to %s when b was written", first, got)
	}
	list, missing := w.as("GET", "/v1/vars", nil).header.Get("X-Nomad-Index"), w.as("GET", "/v1/var/none", nil).header.Get("X-Nomad-Index")
	if list != missing || list == first {
		t.Errorf("index of the list %s, of a missing one %s, of the first %s", list, missing, first)
	}
}

func TestPretty(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/a", obj{"Items": obj{"k": "v"}})
	want := "{\n    \"CreateIndex\": N,\n    \"CreateTime\": N,\n    \"Items\": {\n        \"k\": \"v\"\n    },\n    \"ModifyIndex\": N,\n" +
		"    \"ModifyTime\": N,\n    \"Namespace\": \"default\",\n    \"Path\": \"a\"\n}\n"
	for _, q := range []string{"pretty", "pretty=", "pretty=1"} {
		a := w.as("GET", "/v1/var/a?"+q, nil)
		if got := strings.ReplaceAll(masked(strings.ReplaceAll(a.body, `": `, `":`)), `":`, `": `); got != want {
			t.Errorf("%s: %s", q, got)
		}
	}
	if a := w.as("GET", "/v1/var/a?pretty=0", nil); strings.Contains(a.body, "\n") {
		t.Errorf("pretty=0: %v", a)
	}
}

func TestPagesAndFilters(t *testing.T) {
	w := newWorld(t)
	for _, place := range []string{"default:p", "default:p-x", "default:p/1", "default:p/10", "default:p/2", "default:q", "shared:p/3", "a:p", "a-b:p"} {
		ns, path, _ := strings.Cut(place, ":")
		w.must("PUT", "/v1/var/"+path+"?namespace="+ns, obj{"Items": obj{"k": "v"}})
	}
	const unknown = `400 failed to read result page: error finding value in datum: /Path at part 0: couldn't find key: struct field with name "Path"`
	for query, want := range map[string]string{
		"prefix=p":                                "p p-x p/1 p/10 p/2",
		"prefix=p/":                               "p/1 p/10 p/2",
		"prefix=/p":                               "",
		"prefix=none":                             "",
		"namespace=none":                          "",
		"namespace=*&prefix=p/":                   "p/1 p/10 p/2 p/3",
		"per_page=2":                              "p p-x next default.p/1",
		"per_page=2&next_token=default.p/1":       "p/1 p/10 next default.p/2",
		"per_page=2&next_token=default.p/2":       "p/2 q",
		"per_page=2&next_token=zzz":               "",
		"per_page=-1":                             " next default.p",
		"namespace=*&per_page=1":                  "p next a-b.p",
		"namespace=*&per_page=1&next_token=a-b.p": "p next default.p",
		"filter=VariableMetadata.Path+%3D%3D+%22p/1%22":               "p/1",
		"filter=VariableMetadata.Path+matches+%22%5Ep/%22&per_page=2": "p/1 p/10 next default.p/2",
		"filter=VariableData.KeyID+%21%3D+%22%22&prefix=p/1":          "p/1 p/10",
		"filter=Path+%3D%3D+%22p/1%22":                                unknown,
		"filter=Path+%3D%3D":                                          "400 failed to create result paginator: failed to read filter expression: 1:8 (7): no match found,",
		"per_page=zz":                                                 "400 Expect a number for `per_page` query string parameterfailed to parse parameters",
		"stale=maybe":                                                 "400 Expect `true` or `false` for `stale` query string parameterfailed to parse parameters",
		"index=-1":                                                    "400 Invalid indexfailed to parse parameters",
		"stale&consistent&prefix=q":                                   "q",
	} {
		a := w.as("GET", "/v1/vars?"+query, nil)
		got := a.String()
		if a.status == 200 {
			var list []struct{ Path string }
			a.json(t, &list)
			var paths []string
			for _, v := range list {
				paths = append(paths, v.Path)
			}
			got = strings.Join(paths, " ")
			if next := a.header.Get("X-Nomad-NextToken"); next != "" {
				got += " next " + next
			}
		}
		if got != want && !(strings.HasPrefix(want, "400") && strings.HasPrefix(got, want)) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}

// TestPagesOfAll follows the tokens through pages of every size, over namespaces
// whose names begin alike.
func TestPagesOfAll(t *testing.T) {
	w := newWorld(t)
	for _, ns := range []string{"a", "a-b", "a0", "b"} {
		for i := range 3 {
			w.must("PUT", fmt.Sprintf("/v1/var/v/%d?namespace=%s", i, ns), obj{"Items": obj{"k": "v"}})
		}
	}
	for size := 1; size <= 13; size++ {
		seen := map[string]int{}
		next := ""
		for range 20 {
			a := w.as("GET", fmt.Sprintf("/v1/vars?namespace=*&per_page=%d&next_token=%s", size, next), nil)
			var list []struct{ Namespace, Path string }
			a.json(t, &list)
			for _, v := range list {
				seen[v.Namespace+":"+v.Path]++
			}
			if next = a.header.Get("X-Nomad-NextToken"); next == "" {
				break
			}
		}
		if len(seen) != 12 {
			t.Errorf("pages of %d show %d variables", size, len(seen))
		}
		for v, n := range seen {
			if n != 1 {
				t.Errorf("pages of %d show %s %d times", size, v, n)
			}
		}
	}
}
