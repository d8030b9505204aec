package stack

import (
	"context"
	"errors"
	"time"
)

// CrashGateway ends what stands between functions and engines, and between people and functions, as kill -9 would, and
// starts it again at the same addresses after a while. Every connection of the AWS endpoint and of the HTTP API is cut in
// the middle of whatever it was doing: a call that was under way may or may not be carried out, and nobody learns which.
// Functions, engines and what the local run counts live on. Only one crash at a time, and none beside Stop.
func (s *Stack) CrashGateway(ctx context.Context, down time.Duration) error {
	sites := []*site{s.aws, s.api}

	var all []error
	for _, w := range sites {
		all = append(all, w.crash())
	}

	timer := time.NewTimer(down)
	defer timer.Stop()

	select {
	case <-timer.C:
	case <-ctx.Done(): // up again all the same: the stack is to be stopped in good order
	}

	for _, w := range sites {
		all = append(all, w.rise(context.WithoutCancel(ctx)))
	}

	return errors.Join(all...)
}
