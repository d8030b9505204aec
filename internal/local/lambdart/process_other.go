//go:build unix && !linux

package lambdart

import "syscall"

// processAttributes puts a process into a group of its own; only Close ends it.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a process and its children; there may be none left.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// peakMemoryMB is not known here.
func peakMemoryMB(int) int { return 0 }
