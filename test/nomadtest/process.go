package nomadtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is one of the two agents.
type process struct {
	t                      testing.TB
	name, bin, config, log string
	cmd                    *exec.Cmd
	ended                  chan struct{}
}

// process writes an agent's configuration.
func (c *Cluster) process(name, config string) *process {
	c.t.Helper()
	var tls string
	if c.TLS {
		tls = c.Certs.config(name)
	}
	p := &process{
		t: c.t, name: name, bin: c.bin,
		config: filepath.Join(c.Dir, name+".hcl"), log: filepath.Join(c.Dir, name+".log"),
	}
	text := fmt.Sprintf(commonConfig, name, filepath.Join(c.Dir, name), !c.NoACL, tls) + config
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(p.bin, "agent", "-config", p.config)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	endWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
}

func (p *process) stop(sig syscall.Signal) {
	if p == nil || p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.cmd = nil
}

// crashed reports whether it ended without being told to.
func (p *process) crashed() bool {
	if p == nil || p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// close ends the tasks first: they outlive a client. It asks by way of the client,
// because the first server may be gone.
func (c *Cluster) close() {
	if c.client != nil {
		if c.client.cmd != nil && slices.ContainsFunc(c.servers, func(s *process) bool { return s.cmd != nil }) {
			for _, id := range c.jobs {
				c.try("DELETE", c.ClientHTTP+"/v1/job/"+id+"?purge=true", nil, nil)
			}
			for end := time.Now().Add(20 * time.Second); len(c.jobs) > 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				c.try("PUT", c.ClientHTTP+"/v1/system/gc", nil, nil)
				if left, _ := filepath.Glob(filepath.Join(c.Dir, "client", "alloc", "*")); len(left) == 0 {
					break
				}
			}
		}
		c.client.stop(syscall.SIGINT)
	}
	for _, s := range c.servers {
		s.stop(syscall.SIGINT)
	}
	c.unmount()
	if c.t.Failed() {
		c.t.Logf("%s", c.Logs())
	}
	_ = os.RemoveAll(c.Dir)
}

// unmount takes down the secrets directories that a client left mounted.
func (c *Cluster) unmount() {
	if runtime.GOOS != "linux" {
		return
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], c.Dir+"/") {
			_ = exec.Command("umount", "-l", fields[1]).Run()
		}
	}
}
