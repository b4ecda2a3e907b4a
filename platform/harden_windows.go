package platform

import "golang.org/x/sys/windows"

// Of werapi.h: no heap in a report, no dialog for one.
const (
	werNoHeap = 0x1
	werNoUI   = 0x20
)

var werSetFlags = windows.NewLazySystemDLL("kernel32.dll").NewProc("WerSetFlags")

func harden() error {
	if err := werSetFlags.Find(); err != nil {
		return err
	}
	// It returns an HRESULT: zero is success.
	if r, _, _ := werSetFlags.Call(werNoHeap | werNoUI); r != 0 {
		return windows.Errno(r)
	}
	return nil
}

// startUnhardened: a child does not inherit the flags.
func startUnhardened(start func() error) error { return start() }
