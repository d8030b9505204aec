//go:build !linux

package engines

import "syscall"

// attributes put an engine into a group of its own, so that Ctrl-C reaches only the parent.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
