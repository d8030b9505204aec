package account_test

import (
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"orbitq/internal/account"
)

// newSigning returns secrets over a vault under a clock.
func newSigning(t *testing.T, v *vault, now func() time.Time) *account.Signing {
	t.Helper()
	web := httptest.NewServer(v)
	t.Cleanup(web.Close)
	_, keys := serve(t, &service{})
	client := secretsmanager.New(secretsmanager.Options{Region: "eu-central-1", BaseEndpoint: &web.URL, Retryer: aws.NopRetryer{}, Credentials: keys})
	return account.NewSigning(client, arn, now)
}

// TestEachOwnerHasASigningSecret that says nothing of another's, nor of the deployment's.
func TestEachOwnerHasASigningSecret(t *testing.T) {
	t.Parallel()
	v, now := &vault{value: planted}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := newSigning(t, v, func() time.Time { return now })
	of := func(owner string) string {
		t.Helper()
		all, err := s.Of(t.Context(), owner)
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v, %v", owner, all, err)
		}
		return all[0]
	}
	ana := of("ana")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(ana, "whsec_"))
	if err != nil || len(raw) != 32 || !strings.HasPrefix(ana, "whsec_") || strings.Contains(string(raw), planted) {
		t.Errorf("got %q, %v", ana, err)
	}
	if of("boris") == ana || of("ana") != ana || v.count() != 1 {
		t.Errorf("secrets are shared, or change; %d reads", v.count())
	}
	v.set("another", "")
	if of("ana") != ana {
		t.Error("a new secret before the old one is out of date")
	}
	now = now.Add(5 * time.Minute)
	if of("ana") == ana || v.count() != 2 {
		t.Errorf("the old secret after it was replaced; %d reads", v.count())
	}
}

// TestAVaultThatFailsSignsNothing.
func TestAVaultThatFailsSignsNothing(t *testing.T) {
	t.Parallel()
	for _, v := range []*vault{{fault: "AccessDeniedException"}, {value: ""}} {
		all, err := newSigning(t, v, time.Now).Of(t.Context(), "ana")
		if err == nil || len(all) != 0 {
			t.Errorf("%+v: %v", v, all)
		}
	}
}
