package account

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// keepSigning is how long the signing secrets are kept: a new one is in use everywhere
// after that.
const keepSigning = 5 * time.Minute

// Signing is the secret that callbacks are signed with, as Standard Webhooks writes it.
type Signing struct {
	client *secretsmanager.Client
	arn    string
	now    func() time.Time

	mu    sync.Mutex
	kept  []string
	until time.Time
}

// NewSigning returns the secret with an ARN.
func NewSigning(client *secretsmanager.Client, arn string, now func() time.Time) *Signing {
	return &Signing{client: client, arn: arn, now: now}
}

// Get returns the secrets, the newest first: after a rotation also the one before it,
// because receivers change over in their own time, and a callback that one refuses for its
// signature is given up.
func (s *Signing) Get(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.kept, nil
	}
	newest, err := s.read(ctx, "AWSCURRENT")
	if err != nil {
		return nil, fmt.Errorf("read signing secret: %w", err)
	}
	secrets := []string{newest}
	before, err := s.read(ctx, "AWSPREVIOUS")
	if _, never := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !never {
		return nil, fmt.Errorf("read signing secret before the newest: %w", err)
	}
	if err == nil && before != newest {
		secrets = append(secrets, before)
	}
	s.kept, s.until = secrets, s.now().Add(keepSigning)
	return s.kept, nil
}

// read returns the secret of a stage. Its text is taken as it is: it is random, and "whsec_"
// with its base64 is what a receiver is told.
func (s *Signing) read(ctx context.Context, stage string) (string, error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.arn, VersionStage: &stage})
	if err != nil {
		return "", err //nolint:wrapcheck // decided and wrapped by the caller
	}
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(aws.ToString(out.SecretString))), nil
}
