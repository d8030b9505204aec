package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/local/stack"
)

// Who a person is on the local stack unless a token says otherwise. The demo works as the same user, so that what it has
// stored can be looked at with the commands it suggests; the tier is the one that no limit gets in the way of.
const (
	localUser = "demo"
	localTier = "enterprise"
	localLife = 12 * time.Hour // of a token; nobody wants to log in twice a day here
)

// connected adds the flags that say where the API is and who asks, and returns the command.
func connected(cmd *cobra.Command) *cobra.Command {
	f := cmd.PersistentFlags()
	f.String("api-url", "", "address of the API (ORBITQ_API_URL; default: the local stack's)")
	f.String("token", "", "bearer token (ORBITQ_TOKEN; default on the local stack: user "+localUser+", "+localTier+")")
	f.String("data", "", "folder of the local stack's files (default .orbitq/run)")
	return outputFlag(cmd)
}

// connect returns a client of the API that flags, environment or the local stack name, in this order.
//
// A token is minted only for the stack that was found here: its key lies in its data folder. With another API a missing
// token is not an error yet, since the gateway says better than we could what it wants.
func connect(cmd *cobra.Command) (*client.Client, error) {
	url, token := setting(cmd, "api-url", "ORBITQ_API_URL"), setting(cmd, "token", "ORBITQ_TOKEN")
	if url != "" {
		return client.New(client.Config{BaseURL: url, Token: token}), nil
	}
	state, err := runningStack(text(cmd, "data"))
	if err != nil {
		return nil, fmt.Errorf("find the API: %w", err)
	}
	if token == "" {
		if token, err = localToken(state); err != nil {
			return nil, err
		}
	}
	return client.New(client.Config{BaseURL: state.APIURL, Token: token}), nil
}

// setting is a flag, or else an environment variable. An empty variable counts as none, as after "ORBITQ_TOKEN=".
func setting(cmd *cobra.Command, flag, variable string) string {
	if v := text(cmd, flag); v != "" {
		return v
	}
	return os.Getenv(variable)
}

// text is the value of a flag of the command or of one above it; empty when no such flag exists, so that the error path
// may ask any command about its format.
func text(cmd *cobra.Command, flag string) string {
	if f := cmd.Flag(flag); f != nil {
		return f.Value.String()
	}
	return ""
}

// runningStack finds the local stack of a data folder, or of the repository around the working directory. What a killed
// stack left behind does not count as running.
func runningStack(data string) (stack.State, error) {
	folder, err := dataFolder(data)
	if err != nil {
		return stack.State{}, notRunningError{err}
	}
	state, err := stack.Read(folder)
	if errors.Is(err, stack.ErrNotRunning) {
		return state, notRunningError{fmt.Errorf("%w in %s: start one with orbitq local up", err, folder)}
	}
	if err != nil {
		return state, fmt.Errorf("find the local stack: %w", err)
	}
	return state, nil
}

// localToken mints a token for the person at this machine.
func localToken(state stack.State) (string, error) {
	token, err := state.Mint(stack.Token{
		User: localUser, Tier: localTier, Scopes: []string{"orbitq/read", "orbitq/write"}, Expires: localLife,
	})
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return token, nil
}

// limited gives a command an end: d, or none when it is zero. The cause is what the user reads, instead of "context
// deadline exceeded".
func limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("nothing ended within %s", d))
}
