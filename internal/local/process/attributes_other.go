//go:build !linux

package process

import "syscall"

// attributes puts a child into a group of its own; only Linux can also tie its
// life to the parent's.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
