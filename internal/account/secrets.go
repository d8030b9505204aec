package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"orbitq/internal/job"
)

// keepSigning is how long the deployment's secret is kept: a new one is in use everywhere
// after that.
const keepSigning = 5 * time.Minute

// Signing is the secrets that callbacks are signed with, one for each owner.
//
// They are derived from one secret of the deployment, so that there is nothing to store
// and nothing to look up, and an owner who knows theirs can sign for nobody else: a single
// secret for all would let every receiver forge the callbacks of every other.
type Signing struct {
	client *secretsmanager.Client
	arn    string
	now    func() time.Time

	mu    sync.Mutex
	kept  []byte
	until time.Time
}

// NewSigning returns the secrets that come from the one with an ARN.
func NewSigning(client *secretsmanager.Client, arn string, now func() time.Time) *Signing {
	return &Signing{client: client, arn: arn, now: now}
}

// Of returns an owner's secret as Standard Webhooks writes it: "whsec_" and the base64 of
// 32 bytes, the HMAC-SHA256 of the owner under the deployment's secret. When that one is
// replaced, every owner has another.
func (s *Signing) Of(ctx context.Context, owner string) ([]string, error) {
	root, err := s.root(ctx)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, root)
	_, _ = mac.Write([]byte("webhooks of " + owner)) // a hash takes everything
	return []string{"whsec_" + base64.StdEncoding.EncodeToString(mac.Sum(nil))}, nil
}

// root reads the deployment's secret, at most once in a while.
func (s *Signing) root(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.kept, nil
	}
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.arn})
	if err != nil {
		return nil, fmt.Errorf("read signing secret: %w", err)
	}
	if out.SecretString == nil || *out.SecretString == "" {
		return nil, job.Errorf(job.Internal, "the signing secret has no text")
	}
	s.kept, s.until = []byte(*out.SecretString), s.now().Add(keepSigning)
	return s.kept, nil
}
