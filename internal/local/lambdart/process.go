package lambdart

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// start opens the Runtime API and starts the process. A failed start leaves nothing behind. Nothing here takes a
// context: the environment is the function's and not that of the invocation that happened to need it.
func (in *instance) start() error {
	ctx := context.Background()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open runtime api of function %s: %w", in.f.cfg.Name, err)
	}
	in.listener = listener
	in.server = &http.Server{Handler: in.routes(), ReadHeaderTimeout: 5 * time.Second}
	cmd := exec.CommandContext(ctx, in.f.cfg.Binary) //nolint:gosec // running that binary is what this package is for
	cmd.Dir = filepath.Dir(in.f.cfg.Binary)
	cmd.Env = in.environ()
	cmd.SysProcAttr = processAttributes()
	// A child that was missed may still hold the output open; it cannot hold up the end.
	cmd.WaitDelay = time.Second
	out := in.f.log.stream()
	cmd.Stdout, cmd.Stderr = out, out
	started := make(chan error, 1)
	in.f.work.Go(func() { _ = in.server.Serve(listener) }) // ends when the process does
	in.f.work.Go(func() { in.own(cmd, started) })
	return <-started
}

// own is the life of a process, from start to the last of its children. Its thread is kept, because Linux ends children
// not with the process but with the thread that made them.
func (in *instance) own(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() {
		close(in.exited)
		_ = in.server.Close()
	}()
	if err := cmd.Start(); err != nil {
		started <- fmt.Errorf("start function %s: %w", in.f.cfg.Name, err)
		return
	}
	in.mu.Lock()
	in.pid = cmd.Process.Pid
	in.mu.Unlock()
	started <- nil
	reaped := make(chan struct{})
	in.f.work.Go(func() {
		select {
		case <-in.killed:
			killGroup(cmd.Process.Pid)
		case <-reaped:
		}
	})
	err := cmd.Wait()
	close(reaped)
	killGroup(cmd.Process.Pid) // children it left
	if err != nil {
		in.exit = cmd.ProcessState.String()
	}
}

// environ is what Lambda gives to a process, and what the caller adds or overrides. HOME is not there, as on Lambda, so
// that an SDK does not find the developer's own profile and credentials.
func (in *instance) environ() []string {
	cfg := &in.f.cfg
	all := map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME":        cfg.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     cfg.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(cfg.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + cfg.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      in.stream,
		"AWS_REGION":                      cfg.Region,
		"AWS_DEFAULT_REGION":              cfg.Region,
		"LAMBDA_TASK_ROOT":                filepath.Dir(cfg.Binary),
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"_HANDLER":                        "bootstrap",
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ":                              ":UTC",
	}
	maps.Copy(all, cfg.Env)
	// Last, because it is not for the caller to say.
	all["AWS_LAMBDA_RUNTIME_API"] = in.listener.Addr().String()
	list := make([]string, 0, len(all))
	for name, value := range all {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
