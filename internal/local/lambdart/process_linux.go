package lambdart

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// processAttributes puts a process into a group of its own that dies with this one.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends a process and its children; there may be none left.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// peakMemoryMB reads the most memory that a process ever had, in whole megabytes; 0 when it is gone.
func peakMemoryMB(pid int) int {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	kilobytes, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, err := strconv.Atoi(string(kilobytes))
	if err != nil {
		return 0
	}
	return (n + 1023) / 1024
}
