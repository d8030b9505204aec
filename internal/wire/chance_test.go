package wire

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheClockIsWhatRowsHold(t *testing.T) {
	t.Parallel()
	got := now()
	if got.Location() != time.UTC || got.Nanosecond()%int(time.Millisecond) != 0 || time.Since(got).Abs() > time.Minute {
		t.Errorf("now is %v", got)
	}
}

func TestSleepEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := sleep(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestChance: nobody may guess a token, and two of a kind must never meet.
func TestChance(t *testing.T) {
	t.Parallel()
	tokens, ids := map[string]bool{}, map[[10]byte]bool{}
	low, high := 1.0, 0.0
	for range 1000 {
		tokens[token()], ids[entropy()] = true, true
		j := jitter()
		low, high = min(low, j), max(high, j)
	}
	if len(tokens) != 1000 || len(ids) != 1000 || len(token()) != 32 {
		t.Errorf("%d tokens and %d ids of 1000 are different", len(tokens), len(ids))
	}
	if low < 0 || high >= 1 || low > 0.05 || high < 0.95 {
		t.Errorf("jitter from %v to %v", low, high)
	}
}
