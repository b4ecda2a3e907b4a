package platform_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/taskagent/taskagent/platform"
)

// TestHarden runs in a process of its own: it cannot be undone.
func TestHarden(t *testing.T) {
	const helper = "PLATFORM_TEST_HARDEN"
	if os.Getenv(helper) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHarden$", "-test.v")
		cmd.Env = append(os.Environ(), helper+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestHarden") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dumpable := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := platform.Harden(); err != nil {
		t.Fatal(err)
	}
	if dumpable() != 0 {
		t.Error("it can be dumped")
	}

	// The child can be dumped, has our limits, and its start leaves us as we
	// were: the kernel changes the mark of both when the user changes.
	cmd := exec.Command("/bin/sh", "-c", "ulimit -c; stat -c %u /proc/self/status")
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	uid := os.Geteuid()
	if uid == 0 {
		uid = 65534
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := platform.StartUnhardened(cmd.Start); err != nil {
		t.Fatal(err)
	}
	if dumpable() != 0 {
		t.Error("starting a child undid it")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	limit, err := exec.Command("/bin/sh", "-c", "ulimit -c").Output()
	if err != nil {
		t.Fatal(err)
	}
	// Of a process that cannot be dumped this would be root's.
	if want := fmt.Sprintf("%s%d\n", limit, uid); out.String() != want {
		t.Errorf("the child says %q, want %q", out.String(), want)
	}
}

// Another process of the same user cannot read the memory of a hardened one.
func TestHardenedKeepsOthersOut(t *testing.T) {
	if asOtherUser(t) {
		return
	}
	const helper = "PLATFORM_TEST_HARDENED"
	if os.Getenv(helper) != "" {
		if err := platform.Harden(); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("hardened\n")
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestHardenedKeepsOthersOut$")
	cmd.Env = append(os.Environ(), helper+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	said := make([]byte, 20)
	if n, err := stdout.Read(said); string(said[:n]) != "hardened\n" {
		t.Fatalf("%q, %v", said[:n], err)
	}
	for _, name := range []string{"environ", "mem", "maps", "fd"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, name))
		if err == nil {
			_, err = f.Read(make([]byte, 1))
			f.Close()
		}
		if !os.IsPermission(err) {
			t.Errorf("%s of the hardened process: %v", name, err)
		}
	}
}
