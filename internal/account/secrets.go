package account

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// keepSigning is how long the signing secret is kept: a new one is in use everywhere
// after that, and both sign meanwhile.
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

// Get returns the secrets, the newest first. The text of the secret is taken as it is: it
// is random, and "whsec_" with its base64 is what a receiver is told.
func (s *Signing) Get(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now().Before(s.until) {
		return s.kept, nil
	}
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.arn})
	if err != nil {
		return nil, fmt.Errorf("read signing secret: %w", err)
	}
	s.kept, s.until = []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte(*out.SecretString))}, s.now().Add(keepSigning)
	return s.kept, nil
}
