package stack

import (
	"fmt"
	"time"

	"orbitq/internal/local/issuer"
)

// Token is a request for a token of the stack's issuer.
type Token struct {
	User, Tier string
	Scopes     []string
	Expires    time.Duration
}

// Mint signs a token with the key in the data folder.
func (s State) Mint(t Token) (string, error) {
	i, err := issuer.New(issuer.Config{URL: s.Issuer, Dir: s.Data})
	if err != nil {
		return "", fmt.Errorf("open issuer: %w", err)
	}

	token, err := i.Mint(issuer.Claims{Subject: t.User, Tier: t.Tier, Scopes: t.Scopes, Audience: s.Audience, Expires: time.Now().Add(t.Expires)})
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}

	return token, nil
}
