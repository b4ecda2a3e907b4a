// Package test drives the real binary: scripts in testdata/script, one for each
// behaviour a user can see, faults injected from outside, and benchmarks. It
// holds tests only; nothing imports it.
package test
