package stack

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

// sample is a template with one mapped queue and one that nobody consumes.
func sample() *cfn.Stack {
	return &cfn.Stack{
		Queues: []cfn.Queue{
			{Name: "work", ARN: "arn:work", VisibilityTimeout: 360, Delay: 30},
			{Name: "dead", ARN: "arn:dead", VisibilityTimeout: 120},
		},
		Functions: []cfn.Function{
			{Name: "worker", Timeout: 60, Env: map[string]string{"X_SECONDS": "10,30,60", "Y_SECONDS": "0.5", "OTHER": "60"}},
			{Name: "quick", Timeout: 3, Env: map[string]string{}},
			{Name: "api", Timeout: 29, Env: map[string]string{}},
		},
		Mappings: []cfn.Mapping{{QueueARN: "arn:work", Function: "worker"}, {QueueARN: "arn:quick", Function: "quick"}},
	}
}

func TestCompress(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		speed                             float64
		timeout, quick, work, delay, dead int
		x, y                              string
	}{
		{0, 60, 3, 360, 30, 120, "10,30,60", "0.5"},
		{1, 60, 3, 360, 30, 120, "10,30,60", "0.5"},
		{2, 30, 3, 180, 15, 60, "5,15,30", "0.25"},
		{10, 6, 3, 36, 3, 12, "1,3,6", "0.05"},
		{60, 5, 3, 30, 1, 2, "0.166667,0.5,1", "0.00833333"},
		{1000, 5, 3, 30, 1, 1, "0.01,0.03,0.06", "0.0005"},
	} {
		s := sample()
		if err := compress(s, c.speed); err != nil {
			t.Fatal(err)
		}

		f, q := s.Functions, s.Queues
		if f[0].Timeout != c.timeout || f[1].Timeout != c.quick || q[0].VisibilityTimeout != c.work || q[0].Delay != c.delay || q[1].VisibilityTimeout != c.dead {
			t.Errorf("speed %g: functions %+v, queues %+v", c.speed, f, q)
		}

		if f[0].Env["X_SECONDS"] != c.x || f[0].Env["Y_SECONDS"] != c.y || f[0].Env["OTHER"] != "60" {
			t.Errorf("speed %g: %v", c.speed, f[0].Env)
		}

		// Nothing waits as long as a function may run that no queue feeds.
		if f[2].Timeout != 29 {
			t.Errorf("speed %g: %+v", c.speed, f[2])
		}
	}
}

func TestCompressNamesWhatIsNoTime(t *testing.T) {
	t.Parallel()

	s := sample()
	s.Functions[0].Env["Z_SECONDS"] = "soon"

	if err := compress(s, 2); err == nil || !strings.Contains(err.Error(), "Z_SECONDS") {
		t.Errorf("got %v", err)
	}
}

func TestListenTakesTheNextPort(t *testing.T) {
	t.Parallel()

	first, err := listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()

	taken := first.Addr().(*net.TCPAddr).Port

	second, err := listen(t.Context(), taken)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()

	if got := second.Addr().(*net.TCPAddr).Port; got <= taken || got > taken+100 {
		t.Errorf("got port %d after %d", got, taken)
	}

	if _, err := listen(t.Context(), -1); err == nil {
		t.Error("a port that cannot be was taken")
	}
}

func TestFindRoot(t *testing.T) {
	t.Parallel()

	root, err := FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(filepath.Join(root, "template.yaml")); err != nil {
		t.Errorf("root %s: %v", root, err)
	}

	if _, err := FindRoot(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not inside the orbitq repository") {
		t.Errorf("got %v", err)
	}
}
