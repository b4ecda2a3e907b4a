//go:build linux

package bench_test

import (
	"container/heap"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/renew"
)

// BenchmarkSchedule simulates half a day of 100,000 tasks with one-hour tokens
// under one leader, with the schedule of package renew and a clock of its own:
// how many renewals a second the leader sees when all tasks start in the same
// minute, and when they start over an hour. Peaks are of single seconds;
// peak/mean compares minutes, of the first two hours and of the last.
func BenchmarkSchedule(b *testing.B) {
	for _, s := range []struct {
		name  string
		start time.Duration
	}{{"minute", time.Minute}, {"hour", time.Hour}} {
		b.Run("starts=one-"+s.name, func(b *testing.B) {
			for b.Loop() {
				sim := simulate(b, 100_000, s.start, 12*time.Hour)
				b.ReportMetric(sim.mean(), "mean-req/s")
				b.ReportMetric(sim.peak(), "peak-req/s")
				b.ReportMetric(sim.unevenness(0, 2*time.Hour), "first-peak/mean")
				b.ReportMetric(sim.unevenness(11*time.Hour, 12*time.Hour), "last-peak/mean")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

const simulatedTTL = time.Hour

// simulation counts the renewals of every second.
type simulation struct {
	start    time.Time
	seconds  []float64
	settled  time.Duration // from when on all tasks renew
	tokens   map[int64]identity.Token
	renewals renewals
}

// simulate plays the renewals of n tasks that start within a while.
func simulate(tb testing.TB, n int, starts, long time.Duration) *simulation {
	rnd := rand.New(rand.NewPCG(1, 2)) // the same every time
	sim := &simulation{
		start: time.Unix(1_700_000_000, 0), seconds: make([]float64, long/time.Second),
		settled: starts + simulatedTTL, tokens: map[int64]identity.Token{},
	}
	for range n {
		sim.plan(tb, sim.start.Add(time.Duration(rnd.Int64N(int64(starts)))), rnd)
	}
	end := sim.start.Add(long)
	for sim.renewals[0].Before(end) {
		now := heap.Pop(&sim.renewals).(time.Time)
		sim.seconds[now.Sub(sim.start)/time.Second]++
		sim.plan(tb, now, rnd)
	}
	return sim
}

// plan asks a Renewer that got a token just now when it will renew that.
func (s *simulation) plan(tb testing.TB, now time.Time, rnd *rand.Rand) {
	r, err := renew.New(renew.Config{
		Source: noSource{}, Names: []string{identity.DefaultName},
		Initial: map[string]identity.Token{identity.DefaultName: s.token(tb, now)},
		Now:     func() time.Time { return now }, Jitter: rnd.Float64,
	})
	if err != nil {
		tb.Fatal(err)
	}
	heap.Push(&s.renewals, r.NextRenewal()[identity.DefaultName])
}

// token returns one that was issued in that second. Nobody verifies it.
func (s *simulation) token(tb testing.TB, now time.Time) identity.Token {
	iat := now.Unix()
	t, ok := s.tokens[iat]
	if !ok {
		enc := base64.RawURLEncoding.EncodeToString
		raw := enc([]byte(`{"alg":"EdDSA"}`)) + "." +
			enc(fmt.Appendf(nil, `{"iat":%d,"exp":%d}`, iat, iat+int64(simulatedTTL/time.Second))) + "." + enc(make([]byte, 64))
		var err error
		if t, _, err = identity.ParseInsecure(raw); err != nil {
			tb.Fatal(err)
		}
		s.tokens[iat] = t
	}
	return t
}

func (s *simulation) mean() float64 {
	sum, from := 0.0, int(s.settled/time.Second)
	for _, n := range s.seconds[from:] {
		sum += n
	}
	return sum / float64(len(s.seconds)-from)
}

func (s *simulation) peak() float64 {
	peak := 0.0
	for _, n := range s.seconds {
		peak = max(peak, n)
	}
	return peak
}

// unevenness is the busiest minute of a time over the mean of all.
func (s *simulation) unevenness(from, to time.Duration) float64 {
	peak := 0.0
	for at := from; at < to; at += time.Minute {
		sum := 0.0
		for _, n := range s.seconds[at/time.Second : (at+time.Minute)/time.Second] {
			sum += n
		}
		peak = max(peak, sum/60)
	}
	return peak / s.mean()
}

// noSource is never asked: nothing runs.
type noSource struct{}

func (noSource) Fetch(context.Context, []string) (map[string]identity.Token, error) {
	return nil, errors.New("there is no source")
}

// renewals are times, the next one first.
type renewals []time.Time

func (r renewals) Len() int           { return len(r) }
func (r renewals) Less(i, j int) bool { return r[i].Before(r[j]) }
func (r renewals) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *renewals) Push(t any)        { *r = append(*r, t.(time.Time)) }

func (r *renewals) Pop() any {
	last := len(*r) - 1
	t := (*r)[last]
	*r = (*r)[:last]
	return t
}
