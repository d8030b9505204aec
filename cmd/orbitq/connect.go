package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/local/stack"
)

// Who a person is on the local stack unless a token says otherwise.
const (
	localUser = "demo"
	localTier = "enterprise"
)

// connected adds the flags that say where the API is and who asks, and returns the command.
func connected(cmd *cobra.Command) *cobra.Command {
	f := cmd.PersistentFlags()
	f.String("api-url", "", "address of the API (ORBITQ_API_URL; default: the local stack's)")
	f.String("token", "", "bearer token (ORBITQ_TOKEN; default on the local stack: user "+localUser+", "+localTier+")")
	f.String("data", "", "folder of the local stack's files (default .orbitq/run)")
	f.StringP("output", "o", "text", "text or json")
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(text(cmd, "output")); err != nil {
			return usageError{err}
		}
		return nil
	}
	return cmd
}

// connect returns a client of the API that flags, environment or the local stack name, in this order.
func connect(cmd *cobra.Command) (*client.Client, error) {
	url, token := setting(cmd, "api-url", "ORBITQ_API_URL"), setting(cmd, "token", "ORBITQ_TOKEN")
	if url != "" {
		return client.New(client.Config{BaseURL: url, Token: token}), nil
	}
	state, err := running(text(cmd, "data"))
	if err != nil {
		return nil, notRunning{err}
	}
	if token == "" {
		if token, err = localToken(state); err != nil {
			return nil, err
		}
	}
	return client.New(client.Config{BaseURL: state.APIURL, Token: token}), nil
}

// setting is a flag, or else an environment variable.
func setting(cmd *cobra.Command, flag, variable string) string {
	if v := text(cmd, flag); v != "" {
		return v
	}
	return os.Getenv(variable)
}

// text is the value of a flag that the command has.
func text(cmd *cobra.Command, flag string) string {
	if f := cmd.Flag(flag); f != nil {
		return f.Value.String()
	}
	return ""
}

// localToken mints a token for the person at this machine.
func localToken(state stack.State) (string, error) {
	token, err := state.Mint(stack.Token{
		User: localUser, Tier: localTier, Scopes: allScopes(), Expires: tokenLife,
	})
	if err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return token, nil
}

// limited gives a command an end: d, or none when it is zero.
func limited(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("nothing ended within %s", d))
}
