package engines

import (
	"errors"
	"fmt"
	"syscall"
)

// reservePort finds a free loopback port and keeps it until release. The socket is bound but does not listen, so the
// system gives the port to nobody else, while an engine that asks for this very port gets it: both sockets allow the
// address to be reused. Without it two engines that start at once could be told the same port.
func reservePort() (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}

	release = func() { _ = syscall.Close(fd) } // the process would do it

	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	if err != nil {
		release()

		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}

	name, err := syscall.Getsockname(fd)
	if err != nil {
		release()

		return 0, nil, fmt.Errorf("reserve a port: %w", err)
	}

	bound, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		release()

		return 0, nil, errors.New("reserve a port: the system bound something else")
	}

	return bound.Port, release, nil
}
