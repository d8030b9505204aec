package copernicus_test

import (
	"context"
	"testing"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
)

// late is a table in which another process saves a token between our look and our
// lock: the first lock is taken just after that other one gave it back.
type late struct {
	*memstore.Store

	locks, saves int
}

func (l *late) LockToken(ctx context.Context, now, until time.Time) (bool, error) {
	if l.locks++; l.locks == 1 {
		if err := l.Store.SaveToken(ctx, "of-the-other", now.Add(time.Hour)); err != nil {
			return false, err
		}
	}
	return l.Store.LockToken(ctx, now, until)
}

func (l *late) SaveToken(ctx context.Context, value string, expires time.Time) error {
	l.saves++
	return l.Store.SaveToken(ctx, value, expires)
}

// TestTheLockIsNoReasonToFetch finds the other's token under the lock: it is used,
// nothing is fetched, and the lock is given back at once.
func TestTheLockIsNoReasonToFetch(t *testing.T) {
	t.Parallel()
	client, _, calls := tokenServer(t, `{"access_token":"ours","expires_in":600}`)
	table := &late{Store: memstore.New(job.DefaultTiming())}
	client.Tokens = table
	if _, err := client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week()); err != nil {
		t.Fatal(err)
	}
	if *calls != 0 || table.locks != 1 || table.saves != 1 {
		t.Errorf("fetched %d times, locked %d, saved %d", *calls, table.locks, table.saves)
	}
	now := time.Now()
	if free, err := table.Store.LockToken(t.Context(), now, now.Add(time.Second)); err != nil || !free {
		t.Errorf("the lock is still held: %v, %v", free, err)
	}
	var _ copernicus.Tokens = table
}

// failing is late, but breaks at a read or at the return of the lock.
type failing struct {
	late

	breakRead, breakSave bool
	reads                int
}

func (f *failing) Token(ctx context.Context) (string, time.Time, error) {
	if f.reads++; f.breakRead && f.reads == 2 {
		return "", time.Time{}, job.Errorf(job.Throttled, "read broke")
	}
	return f.late.Token(ctx)
}

func (f *failing) SaveToken(ctx context.Context, value string, expires time.Time) error {
	if f.breakSave {
		return job.Errorf(job.Throttled, "save broke")
	}
	return f.late.SaveToken(ctx, value, expires)
}

func TestABrokenTableUnderTheLockIsAnError(t *testing.T) {
	t.Parallel()
	for _, table := range []*failing{{breakRead: true}, {breakSave: true}} {
		table.Store = memstore.New(job.DefaultTiming())
		client, _, calls := tokenServer(t, `{"access_token":"ours","expires_in":600}`)
		client.Tokens = table
		if _, err := client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week()); job.CodeOf(err) != job.Throttled || *calls != 0 {
			t.Errorf("error %v after %d fetches", err, *calls)
		}
	}
}
