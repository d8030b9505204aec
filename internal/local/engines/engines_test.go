package engines_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orbitq/internal/local/engines"
	"orbitq/internal/local/enginestest"
)

// installed returns the configuration of engines that are there, installing them if they are not.
func installed(t *testing.T) engines.Config {
	t.Helper()

	root, err := enginestest.Root()
	if err != nil {
		t.Fatal(err)
	}

	tools := enginestest.Installer(root)
	if err := tools.Install(t.Context()); err != nil {
		t.Fatal(err)
	}

	return engines.Config{Tools: tools.Home, Logs: t.TempDir()}
}

// call sends one request of the JSON protocol.
func call(t *testing.T, url, target, body string) (int, string) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=none")

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}

	return res.StatusCode, text.String()
}

func TestTablesAnswer(t *testing.T) {
	t.Parallel()

	cfg := installed(t)
	began := time.Now()

	e, err := engines.DynamoDB(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Logf("started in %v", time.Since(began))

	status, text := call(t, e.URL, "DynamoDB_20120810.ListTables", "{}")
	if status != http.StatusOK || !strings.Contains(text, "TableNames") {
		t.Errorf("got %d %s", status, text)
	}

	if err := e.Stop(); err != nil {
		t.Error(err)
	}

	if err := <-e.Done(); err == nil {
		t.Error("an ended engine said nothing")
	}
}

func TestTablesKeepTheirDataFolder(t *testing.T) {
	t.Parallel()

	cfg := installed(t)
	cfg.Data = filepath.Join(t.TempDir(), "data")

	for round, want := range []string{`"TableNames":[]`, `"TableNames":["kept"]`} {
		e, err := engines.DynamoDB(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}

		if _, text := call(t, e.URL, "DynamoDB_20120810.ListTables", "{}"); !strings.Contains(text, want) {
			t.Errorf("round %d: got %s, want %s", round, text, want)
		}

		if round == 0 {
			status, text := call(t, e.URL, "DynamoDB_20120810.CreateTable", `{"TableName":"kept","BillingMode":"PAY_PER_REQUEST",
				"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]}`)
			if status != http.StatusOK {
				t.Errorf("create: %d %s", status, text)
			}
		}

		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestQueuesNameTheirPublicAddress(t *testing.T) {
	t.Parallel()

	cfg := installed(t)
	cfg.Public = "127.0.0.1:4566"
	began := time.Now()

	e, err := engines.ElasticMQ(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Logf("started in %v", time.Since(began))

	status, text := call(t, e.URL, "AmazonSQS.CreateQueue", `{"QueueName":"jobs"}`)
	if want := "http://127.0.0.1:4566/000000000000/jobs"; status != http.StatusOK || !strings.Contains(text, want) {
		t.Errorf("got %d %s, want %s", status, text, want)
	}

	if err := e.Stop(); err != nil {
		t.Error(err)
	}
}

func TestKilledEngineIsReported(t *testing.T) {
	t.Parallel()

	e, err := engines.DynamoDB(t.Context(), installed(t))
	if err != nil {
		t.Fatal(err)
	}

	if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	if err := <-e.Done(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v, want it to say killed", err)
	}

	if err := e.Stop(); err != nil {
		t.Errorf("stop what is gone: %v", err)
	}
}

func TestWhatIsNotInstalledIsNamed(t *testing.T) {
	t.Parallel()

	cfg := engines.Config{Tools: t.TempDir()}

	if _, err := engines.DynamoDB(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "dynoxide is not installed") {
		t.Errorf("got %v", err)
	}

	if _, err := engines.ElasticMQ(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "elasticmq is not installed") {
		t.Errorf("got %v", err)
	}
}

func TestEngineThatCannotRunSaysWhy(t *testing.T) {
	t.Parallel()

	home := t.TempDir()
	for path, text := range map[string]string{"dynoxide/.complete": "", "dynoxide/bin/dynoxide": "#!/bin/sh\nexit 7\n"} {
		full := filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}

		if err := os.WriteFile(full, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}

	_, err := engines.DynamoDB(t.Context(), engines.Config{Tools: home, Logs: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "tables.log") {
		t.Errorf("got %v, want exit status and log file", err)
	}
}
