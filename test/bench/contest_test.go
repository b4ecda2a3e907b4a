//go:build linux

package bench_test

import (
	"slices"
	"testing"
	"time"
)

// contest lets contestants do the same in turns and compares them turn by turn.
type contest struct {
	names []string
	turns []func() float64
	seen  map[string][]float64
}

// add enters a contestant; turn returns one measurement.
func (c *contest) add(name string, turn func() float64) {
	c.names = append(c.names, name)
	c.turns = append(c.turns, turn)
}

// run lets everyone have a number of turns, after one that does not count.
func (c *contest) run(rounds int) {
	if c.seen == nil {
		c.seen = map[string][]float64{}
		for _, turn := range c.turns {
			turn()
		}
	}
	for range rounds {
		for i, turn := range c.turns {
			c.seen[c.names[i]] = append(c.seen[c.names[i]], turn())
		}
	}
}

// report gives each contestant's median, in a unit that is named after it.
func (c *contest) report(b *testing.B, unit string) {
	for _, name := range c.names {
		b.ReportMetric(median(c.seen[name]), name+"-"+unit)
	}
	b.ReportMetric(0, "ns/op")
}

// ratio gives the median of a's measurements over b's of the same round.
func (c *contest) ratio(b *testing.B, over, under string) {
	c.compare(b, over, under, over+"/"+under, func(x, y float64) float64 { return x / y })
}

// difference gives the median of the rounds' differences.
func (c *contest) difference(b *testing.B, more, less, unit string) {
	c.compare(b, more, less, unit, func(x, y float64) float64 { return x - y })
}

func (c *contest) compare(b *testing.B, first, second, unit string, f func(x, y float64) float64) {
	x, y := c.seen[first], c.seen[second]
	if len(x) == 0 || len(y) == 0 {
		return // one is not here
	}
	all := make([]float64, len(x))
	for i := range x {
		all[i] = f(x[i], y[i])
	}
	b.ReportMetric(median(all), unit)
}

func median(v []float64) float64 { return quantile(v, 0.5) }

func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

// milliseconds and microseconds make metrics of durations.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
