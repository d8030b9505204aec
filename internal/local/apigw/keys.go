package apigw

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Keys are kept as long as API Gateway keeps them. An unknown name makes it look again, but not for every token.
const (
	keysLive    = 2 * time.Hour
	keysRecheck = time.Second
	keysMaxSize = 1 << 20
)

var (
	errDiscovery  = errors.New("issuer cannot be asked for its keys")
	errUnknownKey = errors.New("issuer has no such key")
)

// keySet is the published keys of an issuer. It asks once for many requests: others wait for the answer, and an issuer
// that is down fails them all.
type keySet struct {
	issuer string
	client *http.Client

	// mu is held while the issuer is asked, so that one question serves all.
	mu      sync.Mutex
	byName  map[string]*rsa.PublicKey
	fetched time.Time
}

// find returns the key of a name. A token without a name has no key: guessing among several is not verifying.
func (s *keySet) find(ctx context.Context, name string) (*rsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := time.Since(s.fetched)
	if key := s.byName[name]; key != nil && age < keysLive {
		return key, nil
	}
	if s.byName == nil || age >= keysRecheck {
		if err := s.fetch(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errDiscovery, err)
		}
	}
	if key := s.byName[name]; key != nil {
		return key, nil
	}
	return nil, errUnknownKey
}

// fetch reads the keys by discovery; keys of other kinds than RSA are passed over.
func (s *keySet) fetch(ctx context.Context) error {
	var config struct {
		JWKSURI string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", &config); err != nil {
		return err
	}
	var set struct {
		Keys []struct{ Kty, Kid, N, E string }
	}
	if err := s.get(ctx, config.JWKSURI, &set); err != nil {
		return err
	}
	s.byName, s.fetched = map[string]*rsa.PublicKey{}, time.Now()
	for _, k := range set.Keys {
		// A key that cannot be read is none; the others still are.
		n, err1 := base64.RawURLEncoding.DecodeString(k.N)
		e, err2 := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kty == "RSA" && err1 == nil && err2 == nil && len(e) > 0 && len(e) <= 4 {
			s.byName[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		}
	}
	return nil
}

// get reads one document of bounded size.
func (s *keySet) get(ctx context.Context, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask issuer: %w", err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask issuer: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask issuer for %s: status %d", url, res.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, keysMaxSize)).Decode(out); err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	return nil
}
