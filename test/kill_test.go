//go:build unix

package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestWritesSurviveKills kills the leader with SIGKILL while variables, locks,
// policies, tokens and namespaces are written and services are deleted. After
// each kill everything is read again: nothing that was acknowledged is lost, and
// nothing that was deleted is back.
func TestWritesSurviveKills(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	w := newWorld(t)
	// The agents of these start the next leader. Their services are there to be deleted.
	const servicesEach = 60
	for i := range 4 {
		flags := []string{"-job", fmt.Sprintf("job%d", i)}
		for s := range servicesEach {
			flags = append(flags, "-service", fmt.Sprintf("name=svc-%d-%d,port=%d", i, s, 1000+s))
		}
		w.start(fmt.Sprintf("t%d", i), flags)
	}
	l := &ledger{t: t, w: w, possible: map[string][]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, k := range []kind{variableKind, lockKind, policyKind, namespaceKind} {
		wg.Go(func() { l.churn(ctx, k, 8) })
	}
	wg.Go(func() { l.churnTokens(ctx) })
	var round atomic.Int64
	wg.Go(func() {
		for last, n := int64(-1), 0; ctx.Err() == nil && !t.Failed(); {
			key := fmt.Sprintf("svc-%d-%d", n%4, n/4%servicesEach)
			if r := round.Load(); r > last && n < 4*servicesEach { // one a round
				l.deleteService(key)
				last, n = r, n+1
			} else {
				key = fmt.Sprintf("svc-%d-%d", rand.IntN(4), rand.IntN(servicesEach))
				l.check(serviceKind, key)
			}
		}
	})

	for range rounds {
		// Not always at the same point of a write.
		enough := l.acked.Load() + rand.Int64N(12)
		eventually(t, "writes to go on", func() bool { return l.acked.Load() >= enough || t.Failed() })
		if t.Failed() {
			break
		}
		if err := syscall.Kill(w.leader(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		round.Add(1)
	}
	cancel()
	wg.Wait()
	for _, key := range l.keys() {
		for _, k := range []kind{variableKind, lockKind, policyKind, namespaceKind, tokenKind, serviceKind} {
			if strings.HasPrefix(key, k.name+"-") {
				l.check(k, key)
			}
		}
	}
	t.Logf("%d kills, %d acknowledged writes, %d without an answer", round.Load(), l.acked.Load(), l.unknown.Load())
}

var variableKind = kind{
	name: "var",
	read: func(l *ledger, key string) (string, outcome) {
		status, text, o := l.call("GET", "/v1/var/"+key, "", 404)
		var v struct{ Items struct{ N string } }
		return l.decoded(status, text, o, &v, &v.Items.N)
	},
	write: func(l *ledger, key, value string) outcome {
		if value == "" {
			_, _, o := l.call("DELETE", "/v1/var/"+key, "")
			return o
		}
		_, _, o := l.call("PUT", "/v1/var/"+key, `{"Items":{"N":"`+value+`"}}`)
		return o
	},
}

// lockKind has the lock of a variable for its value; no lock outlasts the test by itself.
var lockKind = kind{
	name: "lock",
	read: func(l *ledger, key string) (string, outcome) {
		status, text, o := l.call("GET", "/v1/var/"+key, "", 404)
		var v struct{ Lock struct{ ID string } }
		return l.decoded(status, text, o, &v, &v.Lock.ID)
	},
	write: func(l *ledger, key, value string) outcome {
		held := l.now(key)
		switch {
		case held == "" && value == "":
			return notSent
		case held != "": // renewing and releasing are for the holder; another is refused
			if _, _, o := l.call("PUT", "/v1/var/"+key+"?lock-acquire", `{"Lock":{"ID":"other","TTL":"20h"}}`, 409); o != done {
				return notSent
			}
			if value != "" {
				l.call("PUT", "/v1/var/"+key+"?lock-renew", `{"Lock":{"ID":"`+held+`"}}`)
				return notSent
			}
			_, _, o := l.call("PUT", "/v1/var/"+key+"?lock-release", `{"Lock":{"ID":"`+held+`"}}`)
			return o
		default:
			_, _, o := l.call("PUT", "/v1/var/"+key+"?lock-acquire", `{"Items":{"N":"1"},"Lock":{"ID":"`+value+`","TTL":"20h","LockDelay":"1ms"}}`)
			return o
		}
	},
}

var policyKind = describedKind("policy", "/v1/acl/policy/", 404)

var namespaceKind = describedKind("ns", "/v1/namespace/", 404, 500) // to delete one that is not there is 500

// describedKind is a kind of thing with a name and a description.
func describedKind(name, path string, missing ...int) kind {
	return kind{
		name: name,
		read: func(l *ledger, key string) (string, outcome) {
			status, text, o := l.call("GET", path+key, "", 404)
			var v struct{ Description string }
			return l.decoded(status, text, o, &v, &v.Description)
		},
		write: func(l *ledger, key, value string) outcome {
			if value == "" {
				_, _, o := l.call("DELETE", path+key, "", missing...)
				return o
			}
			_, _, o := l.call("PUT", path+key, `{"Name":"`+key+`","Description":"`+value+`"}`)
			return o
		},
	}
}

// tokenKind has the name of an ACL token for its value. Their keys end in what the
// leader called them.
var tokenKind = kind{
	name: "token",
	read: func(l *ledger, key string) (string, outcome) {
		status, text, o := l.call("GET", "/v1/acl/token/"+strings.TrimPrefix(key, "token-"), "", 404)
		var v struct{ Name string }
		return l.decoded(status, text, o, &v, &v.Name)
	},
	write: func(l *ledger, key, value string) outcome {
		accessor := strings.TrimPrefix(key, "token-")
		if value == "" {
			_, _, o := l.call("DELETE", "/v1/acl/token/"+accessor, "", 400)
			return o
		}
		_, _, o := l.call("POST", "/v1/acl/token/"+accessor, `{"AccessorID":"`+accessor+`","Type":"client","Policies":["p"],"Name":"`+value+`"}`)
		return o
	},
}

// churnTokens creates tokens, renames them and deletes most.
func (l *ledger) churnTokens(ctx context.Context) {
	for n := 0; ctx.Err() == nil && !l.t.Failed(); n++ {
		status, text, o := l.call("PUT", "/v1/acl/token", fmt.Sprintf(`{"Type":"client","Policies":["p"],"Name":"%d"}`, n))
		if o != done || status != http.StatusOK {
			continue // nobody knows what it is called
		}
		var made struct{ AccessorID string }
		if err := json.Unmarshal([]byte(text), &made); err != nil {
			l.t.Errorf("create a token: %v", err)
			return
		}
		key := "token-" + made.AccessorID
		l.mu.Lock()
		l.possible[key] = []string{fmt.Sprint(n)}
		l.mu.Unlock()
		l.acked.Add(1)
		l.check(tokenKind, key)
		l.write(tokenKind, key, fmt.Sprintf("%d-renamed", n))
		l.check(tokenKind, key)
		if n%4 != 0 && l.now(key) != "" {
			l.write(tokenKind, key, "")
			l.check(tokenKind, key)
		}
	}
}

// serviceKind has the ids of the services of a name for its value.
var serviceKind = kind{
	name: "svc",
	read: func(l *ledger, key string) (string, outcome) {
		_, text, o := l.call("GET", "/v1/service/"+key, "")
		if o != done {
			return "", o
		}
		var found []struct{ ID string }
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			l.t.Errorf("read %s: %v", key, err)
		}
		var ids []string
		for _, s := range found {
			ids = append(ids, s.ID)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, known := l.possible[key]; !known && len(ids) == 1 {
			l.possible[key] = ids // it was there before anything was written
		}
		return strings.Join(ids, " "), done
	},
	write: func(l *ledger, key, _ string) outcome {
		_, _, o := l.call("DELETE", "/v1/service/"+key+"/"+l.now(key), "", 500) // 500: it was done by the one without an answer
		return o
	},
}

func (l *ledger) deleteService(key string) {
	l.check(serviceKind, key)
	if l.now(key) == "" {
		l.t.Errorf("service %s is gone though nobody deleted it", key)
		return
	}
	for o := lost; o != done && !l.t.Failed(); {
		o = serviceKind.write(l, key, "")
		if o == done {
			l.acked.Add(1)
		}
	}
	l.mu.Lock()
	l.possible[key] = []string{""}
	l.mu.Unlock()
	l.check(serviceKind, key)
}

// now is what a key holds, as it was read last.
func (l *ledger) now(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if may := l.possible[key]; len(may) == 1 {
		return may[0]
	}
	return ""
}

// decoded is the end of a read: value points into v.
func (l *ledger) decoded(status int, text string, o outcome, v any, value *string) (string, outcome) {
	if o != done || status == http.StatusNotFound {
		return "", o
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		l.t.Errorf("%v in %s", err, text)
	}
	return *value, done
}
