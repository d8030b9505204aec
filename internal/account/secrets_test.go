package account_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"orbitq/internal/account"
)

// strongbox answers for the stages of one secret; a stage with an empty text is refused.
type strongbox struct {
	stages map[string]string
	asked  int
}

func (v *strongbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.asked++
	body, err := io.ReadAll(r.Body)
	var in struct{ SecretId, VersionStage string } //nolint:revive // AWS's names
	if err != nil || json.Unmarshal(body, &in) != nil || in.SecretId != "arn:secret" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if in.VersionStage == "" {
		in.VersionStage = "AWSCURRENT"
	}
	value, there := v.stages[in.VersionStage]
	switch {
	case !there:
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"ResourceNotFoundException"}`)
	case value == "":
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException"}`)
	case value == "-":
		_, _ = io.WriteString(w, `{"SecretBinary":"aHVudGVyMg=="}`)
	default:
		_, _ = fmt.Fprintf(w, `{"SecretString":%q}`, value)
	}
}

// TestSigningSecrets: while a secret is rotated, receivers know one of the two, and a
// refusal for a wrong signature ends a callback for good.
func TestSigningSecrets(t *testing.T) {
	t.Parallel()
	whsec := func(text string) string {
		mac := hmac.New(sha256.New, []byte(text))
		mac.Write([]byte("webhooks of ana"))
		return "whsec_" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	for _, c := range []struct {
		name   string
		stages map[string]string
		want   []string // nil for an error
	}{
		{"never rotated", map[string]string{"AWSCURRENT": "new"}, []string{whsec("new")}},
		{"rotated", map[string]string{"AWSCURRENT": "new", "AWSPREVIOUS": "old"}, []string{whsec("new"), whsec("old")}},
		{"both stages are one", map[string]string{"AWSCURRENT": "new", "AWSPREVIOUS": "new"}, []string{whsec("new")}},
		{"gone", nil, nil},
		{"no text", map[string]string{"AWSCURRENT": "-"}, nil},
		{"the old one may not be read", map[string]string{"AWSCURRENT": "new", "AWSPREVIOUS": ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := &strongbox{stages: c.stages}
			web := httptest.NewServer(v)
			t.Cleanup(web.Close)
			now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
			client := secretsmanager.New(secretsmanager.Options{
				Region: "eu-central-1", BaseEndpoint: &web.URL, Retryer: aws.NopRetryer{},
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "key"}, nil
				}),
			})
			s := account.NewSigning(client, "arn:secret", func() time.Time { return now })
			got, err := s.Of(t.Context(), "ana")
			if fmt.Sprint(got) != fmt.Sprint(c.want) || (err == nil) != (c.want != nil) {
				t.Fatalf("got %v, %v, want %v", got, err, c.want)
			}
			if err != nil {
				return
			}
			if other, err := s.Of(t.Context(), "boris"); err != nil || len(other) != len(got) || other[0] == got[0] {
				t.Errorf("another owner has %v, %v", other, err)
			}
			asked := v.asked
			now = now.Add(5*time.Minute - 1)
			if kept, err := s.Of(t.Context(), "ana"); err != nil || fmt.Sprint(kept) != fmt.Sprint(c.want) || v.asked != asked {
				t.Errorf("kept %v, %v, asked %d times more", kept, err, v.asked-asked)
			}
			now = now.Add(1)
			if _, err := s.Of(t.Context(), "ana"); err != nil || v.asked == asked {
				t.Errorf("not asked again after 5 minutes: %v", err)
			}
		})
	}
}
