package memstore

import (
	"context"
	"time"
)

// sharedToken is the provider's token row, with the lock that lets one worker of
// many fetch a new one.
type sharedToken struct {
	value       string
	expires     time.Time
	lockedUntil time.Time
}

// Token returns the shared provider token; an empty value means none is stored.
func (s *Store) Token(context.Context) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token.value, s.token.expires, nil
}

// LockToken takes the right to fetch a new token until the given time; false
// means that somebody else holds it.
func (s *Store) LockToken(_ context.Context, now, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.token.lockedUntil) {
		return false, nil
	}
	s.token.lockedUntil = until
	return true, nil
}

// SaveToken stores a new token and gives the lock back.
func (s *Store) SaveToken(_ context.Context, value string, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = sharedToken{value: value, expires: expires}
	return nil
}
