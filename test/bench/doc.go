// Package bench measures taskagent beside its peers, with one command:
//
//	go test ./test/bench -run '^$' -bench .
//
// It drives the real binary, built as it is released, over its real sockets, and
// runs nginx, HAProxy and (where NOMAD_BIN names one) Nomad in the same breath.
// A peer that is not installed is left out, and says so. Contestants take turns
// in slices of a tenth of a second, so that a machine that is slow for a while is
// slow for all of them: the ratios are what counts, the absolute figures move.
//
// Every figure is a metric of a Go benchmark, which benchstat reads. What they
// showed is in docs/performance.md. `go test ./...` runs no benchmark, only a
// short test that the parts still work.
package bench
