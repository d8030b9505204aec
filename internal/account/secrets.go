package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"orbitq/internal/job"
)

// keepSigning is how long the deployment's secrets are kept: a new one is in use everywhere
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
	kept  [][]byte
	until time.Time
}

// NewSigning returns the secrets that come from the one with an ARN.
func NewSigning(client *secretsmanager.Client, arn string, now func() time.Time) *Signing {
	return &Signing{client: client, arn: arn, now: now}
}

// Of returns an owner's secrets as Standard Webhooks writes them, the newest first: "whsec_"
// and the base64 of 32 bytes, the HMAC-SHA256 of the owner under a secret of the
// deployment. After a rotation there is also the one before it, because receivers change
// over in their own time, and a callback that one refuses for its signature is given up.
func (s *Signing) Of(ctx context.Context, owner string) ([]string, error) {
	roots, err := s.roots(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(roots))
	for i, root := range roots {
		mac := hmac.New(sha256.New, root)
		_, _ = mac.Write([]byte("webhooks of " + owner)) // a hash takes everything
		all[i] = "whsec_" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return all, nil
}

// roots returns the deployment's secrets, read at most once in a while.
func (s *Signing) roots(ctx context.Context) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.kept, nil
	}
	newest, err := s.read(ctx, "AWSCURRENT")
	if err != nil {
		return nil, fmt.Errorf("read signing secret: %w", err)
	}
	roots := [][]byte{newest}
	before, err := s.read(ctx, "AWSPREVIOUS")
	if _, never := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !never {
		return nil, fmt.Errorf("read signing secret before the newest: %w", err)
	}
	if err == nil && string(before) != string(newest) {
		roots = append(roots, before)
	}
	s.kept, s.until = roots, s.now().Add(keepSigning)
	return s.kept, nil
}

// read returns the secret of a stage. Its text is taken as it is: it is random.
func (s *Signing) read(ctx context.Context, stage string) ([]byte, error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.arn, VersionStage: &stage})
	if err != nil {
		return nil, err //nolint:wrapcheck // decided and wrapped by the caller
	}
	if out.SecretString == nil || *out.SecretString == "" {
		return nil, job.Errorf(job.Internal, "the signing secret has no text")
	}
	return []byte(*out.SecretString), nil
}
