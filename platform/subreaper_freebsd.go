//go:build freebsd && (amd64 || arm64 || riscv64)

package platform

const procReapAcquire = 2 // PROC_REAP_ACQUIRE of <sys/procctl.h>; x/sys has none
