//go:build !linux

package engines

import (
	"errors"
	"fmt"
	"net"
)

// reservePort finds a port that is free now; only Linux can also keep it until the engine listens.
func reservePort() (port int, release func(), err error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, nil, fmt.Errorf("find a free port: %w", err)
	}

	bound, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, nil, errors.Join(errors.New("find a free port: the system bound something else"), l.Close())
	}

	return bound.Port, func() {}, l.Close()
}
