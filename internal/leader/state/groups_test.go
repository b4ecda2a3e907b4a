package state_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestNextAllocIndex starts and ends tasks at random and compares with looking
// at all of them.
func TestNextAllocIndex(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		if i == 200 {
			s.Close()
			s = opened(t, dir)
		}
		tk := task(fmt.Sprintf("alloc%d", rnd.IntN(30)), fmt.Sprintf("task%d", rnd.IntN(2)))
		tk.Group = "group" + tk.AllocID[5:6] // an allocation stays in its group
		if s.TaskLive(tk.AllocID, tk.Task) {
			if err := s.EndTask(tk.AllocID, tk.Task); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, taken := -1, map[int]bool{}
		for _, other := range s.Tasks() {
			if other.AllocID == tk.AllocID {
				want = other.AllocIndex
			}
			if other.Group == tk.Group {
				taken[other.AllocIndex] = true
			}
		}
		if want < 0 {
			for want = 0; taken[want]; want++ {
			}
		}
		if tk.AllocIndex = s.NextAllocIndex(tk); tk.AllocIndex != want {
			t.Fatalf("step %d: index %d for %s of %s, want %d", i, tk.AllocIndex, tk.AllocID, tk.Group, want)
		}
		if err := s.StartTask(tk); err != nil {
			t.Fatal(err)
		}
	}
}
