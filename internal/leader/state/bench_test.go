package state_test

import (
	"fmt"
	"testing"
)

// BenchmarkPut is a variable written to the disk.
func BenchmarkPut(b *testing.B) {
	s := opened(b, b.TempDir())
	for i := range b.N {
		put(b, s, fmt.Sprint("v/", i%100), `{"user":"app"}`)
	}
}

// BenchmarkGet is a variable read and decrypted, among 1000.
func BenchmarkGet(b *testing.B) {
	s := opened(b, b.TempDir())
	for i := range 1000 {
		put(b, s, fmt.Sprint("v/", i), `{"user":"app"}`)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if items(b, s, "v/500") == "" {
				b.Fatal("gone")
			}
		}
	})
}

// BenchmarkTask is a task that starts and ends.
func BenchmarkTask(b *testing.B) {
	s := opened(b, b.TempDir())
	t := task("alloc", "web")
	for range b.N {
		if err := s.StartTask(t); err != nil {
			b.Fatal(err)
		}
		if err := s.EndTask("alloc", "web"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTaskLive is what every request of a workload asks.
func BenchmarkTaskLive(b *testing.B) {
	s := opened(b, b.TempDir())
	if err := s.StartTask(task("alloc", "web")); err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !s.TaskLive("alloc", "web") {
				b.Fatal("ended")
			}
		}
	})
}

// BenchmarkOpen is a leader's start with 1000 variables.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := opened(b, dir)
	for i := range 1000 {
		put(b, s, fmt.Sprint("v/", i), `{"user":"app","password":"s3cret"}`)
	}
	s.Close()
	b.ResetTimer()
	for range b.N {
		s, err := open(dir)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
