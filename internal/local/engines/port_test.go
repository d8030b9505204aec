package engines

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

func TestReservedPortsDifferAndCanBeUsed(t *testing.T) {
	t.Parallel()

	const most = 200

	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		seen = map[int]bool{}
	)

	for range most {
		all.Go(func() {
			port, release, err := reservePort()
			if err != nil {
				t.Error(err)

				return
			}

			t.Cleanup(release)

			l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
			if err != nil {
				t.Errorf("listen on a reserved port: %v", err)

				return
			}
			defer l.Close()

			mu.Lock()
			defer mu.Unlock()

			seen[port] = true
		})
	}

	all.Wait()

	if len(seen) != most {
		t.Errorf("%d different ports of %d", len(seen), most)
	}
}
