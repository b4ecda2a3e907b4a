//go:build unix

package platform_test

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestParseSignal(t *testing.T) {
	tests := map[string]syscall.Signal{
		"SIGHUP": 1, "sighup": 1, "HUP": 1, "hup": 1, "Hup": 1, "SigHup": 1, "1": 1,
		"SIGTERM": syscall.SIGTERM, "usr1": syscall.SIGUSR1, "winch": syscall.SIGWINCH,
		"SIGIOT": syscall.SIGABRT, "cld": syscall.SIGCHLD,
	}
	for name, want := range tests {
		if got, err := platform.ParseSignal(name); got != want || err != nil {
			t.Errorf("ParseSignal(%q) = %v, %v; want %v", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"":          `signal "": no such signal`,
		"SIG":       `signal "SIG": no such signal`,
		"SIGSIGHUP": `signal "SIGSIGHUP": no such signal`,
		" HUP":      `signal " HUP": no such signal`,
		"HUP\n":     `signal "HUP\n": no such signal`,
		"1.0":       `signal "1.0": no such signal`,
		"0x1":       `signal "0x1": no such signal`,
	} {
		if got, err := platform.ParseSignal(name); err == nil || err.Error() != want {
			t.Errorf("ParseSignal(%q) = %v, %v; want %s", name, got, err, want)
		}
	}
	for _, name := range []string{"0", "-1", "65", "99999999999999999999"} {
		if got, err := platform.ParseSignal(name); err == nil {
			t.Errorf("ParseSignal(%q) = %v", name, got)
		}
	}
}

// FuzzParseSignal: what is read is a signal, and its name is read back as the
// same, in any case.
func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"SIGHUP", "hup", "1", "64", "rtmin+3", "SIGRTMAX-14", "RTMIN+", "RTMIN+-1", "", "sigsig"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := platform.ParseSignal(s)
		if err != nil {
			return
		}
		if sig < 1 || sig > 64 {
			t.Fatalf("%q is %d", s, sig)
		}
		name := platform.SignalName(sig)
		for _, form := range []string{name, strings.ToLower(name), strings.TrimPrefix(name, "SIG")} {
			if again, err := platform.ParseSignal(form); again != sig || err != nil {
				t.Errorf("%q is %d, named %s, which is %d, %v", s, sig, form, again, err)
			}
		}
	})
}

func TestNotifySignals(t *testing.T) {
	c := make(chan os.Signal, 8)
	stop := platform.NotifySignals(c)
	defer stop()
	// A safety net for after stop: SIGUSR1 would end the test.
	net := make(chan os.Signal, 8)
	signal.Notify(net, syscall.SIGUSR1)
	defer signal.Stop(net)
	for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGPIPE, syscall.SIGUSR1} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		if sig != syscall.SIGPIPE {
			if got := <-c; got != sig {
				t.Errorf("%v, want %v", got, sig)
			}
			<-net
		}
	}
	stop()
	stop()
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	<-net
	if len(c) != 0 {
		t.Errorf("%v after stop", <-c)
	}
}
