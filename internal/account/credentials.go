package account

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"orbitq/internal/job"
)

// TimeToLive is how long a value is kept: a rotated secret is used at the latest
// after this.
const TimeToLive = 5 * time.Minute

// Credentials is one secret of the shape {"client_id": ..., "client_secret": ...}. It
// is asked for at most once per TimeToLive and process, and is never part of an
// error.
type Credentials struct {
	client *secretsmanager.Client
	arn    string
	now    func() time.Time

	mu     sync.Mutex
	read   time.Time
	id     string
	secret string
}

// NewCredentials returns the credentials stored under arn.
func NewCredentials(client *secretsmanager.Client, arn string, now func() time.Time) *Credentials {
	return &Credentials{client: client, arn: arn, now: now}
}

// Renew forgets the value: the next Get reads it anew. It is for a secret that was
// rotated and is refused before its time here is over.
func (c *Credentials) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Time{}
}

// Get returns client id and secret.
func (c *Credentials) Get(ctx context.Context) (id, secret string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != "" && c.now().Sub(c.read) < TimeToLive {
		return c.id, c.secret, nil
	}
	out, err := c.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &c.arn})
	if err != nil {
		return "", "", job.Errorf(job.Internal, "get secret value: %w", err)
	}
	var v struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if json.Unmarshal([]byte(aws.ToString(out.SecretString)), &v) != nil || v.ID == "" || v.Secret == "" {
		// The parser's own error would quote the secret.
		return "", "", job.Errorf(job.ProviderDenied, "secret %s has no client_id and client_secret", c.arn)
	}
	c.id, c.secret, c.read = v.ID, v.Secret, c.now()
	return c.id, c.secret, nil
}
