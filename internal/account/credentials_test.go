package account_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"orbitq/internal/account"
	"orbitq/internal/job"
)

const (
	arn     = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:copernicus-AbCdEf"
	planted = "hunter2-never-to-be-seen"
)

// vault is Secrets Manager as the SDK speaks to it: one POST per call, the operation in a header.
type vault struct {
	mu    sync.Mutex
	calls int
	value string // SecretString; empty leaves it out
	fault string // type of the exception to answer with
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	var asked struct{ SecretID string }
	if err != nil || json.Unmarshal(body, &asked) != nil || asked.SecretID != arn ||
		r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		http.Error(w, `{"__type":"InvalidRequestException"}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if v.fault != "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"__type":%q,"Message":"no"}`, v.fault)
		return
	}
	if v.value == "" {
		_, _ = fmt.Fprintf(w, `{"ARN":%q,"SecretBinary":"aHVudGVyMg=="}`, arn)
		return
	}
	_, _ = fmt.Fprintf(w, `{"ARN":%q,"SecretString":%q}`, arn, v.value)
}

func (v *vault) set(value, fault string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value, v.fault = value, fault
}

func (v *vault) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

// bench is credentials over a vault under a clock that the test moves.
type bench struct {
	*account.Credentials

	vault *vault
	mu    sync.Mutex
	now   time.Time
}

func (b *bench) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func start(t *testing.T, value string) *bench {
	t.Helper()
	b := &bench{vault: &vault{value: value}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	web := httptest.NewServer(b.vault)
	t.Cleanup(web.Close)
	client := secretsmanager.New(secretsmanager.Options{
		Region: "eu-central-1", BaseEndpoint: &web.URL, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "key"}, nil
		}),
	})
	b.Credentials = account.NewCredentials(client, arn, func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.now
	})
	return b
}

// expect checks the credentials and how often the vault was asked so far.
func (b *bench) expect(t *testing.T, id, value string, calls int) {
	t.Helper()
	gotID, gotValue, err := b.Get(t.Context())
	if err != nil || gotID != id || gotValue != value {
		t.Errorf("got %q %q %v, want %q %q", gotID, gotValue, err, id, value)
	}
	if b.vault.count() != calls {
		t.Errorf("the vault was asked %d times, want %d", b.vault.count(), calls)
	}
}

func TestValueIsKeptForItsTimeToLive(t *testing.T) {
	t.Parallel()
	b := start(t, `{"client_id":"sh-1","client_secret":"a"}`)
	b.expect(t, "sh-1", "a", 1)
	b.vault.set(`{"client_id":"sh-2","client_secret":"b"}`, "")
	b.advance(account.TimeToLive - time.Nanosecond)
	b.expect(t, "sh-1", "a", 1)
	b.advance(time.Nanosecond)
	b.expect(t, "sh-2", "b", 2)
	b.expect(t, "sh-2", "b", 2)
}

func TestManyAskersShareOneCall(t *testing.T) {
	t.Parallel()
	b := start(t, `{"client_id":"sh-1","client_secret":"a"}`)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if id, value, err := b.Get(t.Context()); id != "sh-1" || value != "a" || err != nil {
				t.Errorf("got %q %q %v", id, value, err)
			}
		})
	}
	wg.Wait()
	if b.vault.count() != 1 {
		t.Errorf("%d calls, want 1", b.vault.count())
	}
}

// What stands in a secret must never be told, whatever is wrong with it.
func TestUnusableSecrets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value string }{
		{"not JSON", planted},
		{"truncated", `{"client_id":"sh-1","client_secret":"` + planted},
		{"wrong type", `{"client_id":"sh-1","client_secret":{"` + planted + `":1}}`},
		{"list", `["` + planted + `"]`},
		{"no secret", `{"client_id":"` + planted + `"}`},
		{"empty secret", `{"client_id":"` + planted + `","client_secret":""}`},
		{"no id", `{"client_secret":"` + planted + `"}`},
		{"binary secret, no text", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, c.value)
			id, value, err := b.Get(t.Context())
			if id != "" || value != "" || job.CodeOf(err) != job.ProviderDenied {
				t.Errorf("got %q %q %v, want PROVIDER_DENIED", id, value, err)
			}
			if strings.Contains(err.Error(), planted) || !strings.Contains(err.Error(), arn) {
				t.Errorf("error %q must name the secret and not tell it", err)
			}
		})
	}
}

// A failed look is not remembered: the next one asks again and may succeed.
func TestFailureIsNotKept(t *testing.T) {
	t.Parallel()
	b := start(t, `{"client_id":"sh-1","client_secret":"`+planted+`"}`)
	b.vault.set("", "AccessDeniedException")
	if _, _, err := b.Get(t.Context()); job.CodeOf(err) != job.Internal || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("got %v, want INTERNAL with the reason", err)
	}
	b.vault.set(`{"client_id":"sh-1","client_secret":"a"}`, "")
	b.expect(t, "sh-1", "a", 2)
	// An old value is not good enough either: it may be the one that was revoked.
	b.advance(account.TimeToLive)
	b.vault.set("", "InternalServiceError")
	if _, value, err := b.Get(t.Context()); err == nil || value != "" {
		t.Errorf("got %q %v after the end of its life, want an error", value, err)
	}
}

func TestEndOfContext(t *testing.T) {
	t.Parallel()
	b := start(t, `{"client_id":"sh-1","client_secret":"a"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Get(ctx); err == nil {
		t.Error("a cancelled look succeeds")
	}
	b.expect(t, "sh-1", "a", 1)
}

func TestARenewedValueIsReadAnew(t *testing.T) {
	t.Parallel()
	b := start(t, `{"client_id":"sh-1","client_secret":"a"}`)
	b.expect(t, "sh-1", "a", 1)
	b.vault.set(`{"client_id":"sh-1","client_secret":"b"}`, "")
	b.Renew()
	b.expect(t, "sh-1", "b", 2)
	b.expect(t, "sh-1", "b", 2)
}
