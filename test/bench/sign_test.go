//go:build linux

package bench_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/keyring"
)

// BenchmarkSign has the leader sign identities for eight agents, one and eight
// identities a request, beside signing alone: the same claims, a keyring of the
// same kind, no leader, no socket, every core. The agents' side takes its share
// of the same cores; leader-share is signing's part of what the leader itself
// spends.
func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{identity.EdDSA, identity.RS256} {
		b.Run("alg="+alg, func(b *testing.B) { sign(b, alg) })
	}
}

func sign(b *testing.B, alg string) {
	w := newWorld(b)
	l := w.leader("-signing-alg", alg)
	_, _, tokens := w.lease("sample", 1)
	_, claims, err := identity.ParseInsecure(tokens[0])
	if err != nil {
		b.Fatal(err)
	}
	self := func() time.Duration { return activityOf(b, os.Getpid()).cpu }
	leader := func() time.Duration { return activityOf(b, l.pid).cpu }

	var c contest
	alone := costed(&c, "alone", self, signAlone(b, alg, claims))
	one := costed(&c, "one", leader, signLeases(w, "one", 1))
	eight := costed(&c, "eight", leader, signLeases(w, "eight", 8))
	for b.Loop() {
		c.run(rounds)
	}
	c.report(b, "ids/s")
	c.ratio(b, "one", "alone")
	c.ratio(b, "eight", "alone")
	b.ReportMetric(median(*alone)/median(*one), "one-leader-share")
	b.ReportMetric(median(*alone)/median(*eight), "eight-leader-share")
}

// costed enters a contestant that returns how much it did a second, and notes
// what one of them cost: nanoseconds of the CPU time that cpu reads.
func costed(c *contest, name string, cpu func() time.Duration, turn func() float64) *[]float64 {
	var costs []float64
	c.add(name, func() float64 {
		before, began := cpu(), time.Now()
		perSecond := turn()
		costs = append(costs, float64(cpu()-before)/(perSecond*time.Since(began).Seconds()))
		return perSecond
	})
	return &costs
}

func signAlone(b *testing.B, alg string, claims identity.Claims) func() float64 {
	keys, err := keyring.Create(filepath.Join(tempDir(b), "keyring.json"), keyring.Options{Algorithm: alg})
	if err != nil {
		b.Fatal(err)
	}
	return perSecond(b, runtime.GOMAXPROCS(0), 1, func(int) error {
		_, err := keys.Sign(claims)
		return err
	})
}

func signLeases(w *world, name string, identities int) func() float64 {
	var leases []*client.Lease
	var names []string
	for i := range 8 {
		l, n, _ := w.lease(name+itoa(i), identities)
		leases, names = append(leases, l), n
	}
	return perSecond(w.tb, len(leases), identities, func(i int) error {
		_, err := leases[i].Sign(context.Background(), names...)
		return err
	})
}

// perSecond returns a turn in which several goroutines call do again and again;
// it returns how much they did a second, each call being worth so much.
func perSecond(tb testing.TB, goroutines, worth int, do func(goroutine int) error) func() float64 {
	return func() float64 {
		var done atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for i := range goroutines {
			wg.Go(func() {
				for time.Since(began) < slice {
					if err := do(i); err != nil {
						tb.Error(err)
						return
					}
					done.Add(int64(worth))
				}
			})
		}
		wg.Wait()
		return float64(done.Load()) / time.Since(began).Seconds()
	}
}
