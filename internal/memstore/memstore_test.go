package memstore_test

import (
	"testing"

	"orbitq/internal/memstore"
	"orbitq/internal/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, memstore.New(storetest.Timing()))
}
