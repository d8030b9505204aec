package cfn_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"orbitq/internal/local/cfn"
)

// TestManyExpandOneTemplate starts from an empty cache, many at once and in one process, as parallel tests do.
func TestManyExpandOneTemplate(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	template, script := filepath.Join(dir, "template.yaml"), filepath.Join(dir, "expand.sh")

	for path, text := range map[string]string{template: `{"Resources":{}}`, script: `cat "$1"`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for range 20 {
		cache := filepath.Join(t.TempDir(), "cache")

		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				s := cfn.Source{Template: template, Python: "/bin/sh", Script: script, Cache: cache, Region: "r", Account: "1", Stack: "st"}
				if _, err := cfn.Load(t.Context(), s); err != nil {
					t.Error(err)
				}
			})
		}

		all.Wait()

		if kept, err := os.ReadDir(cache); err != nil || len(kept) != 1 {
			t.Errorf("the cache holds %v, %v", kept, err)
		}
	}
}
