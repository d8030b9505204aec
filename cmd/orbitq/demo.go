package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/local/scene"
	"orbitq/internal/local/stack"
)

// demoFlags are the flags of demo. Of the stack's options only those are flags that a first run may need: a port that is
// taken, a folder of one's own. Speed is none of them, because the demo is about what really happens.
type demoFlags struct {
	once     bool
	patience time.Duration
	opts     stack.Options
}

// demo is the first thing a stranger runs: it needs no account, no token and no choice, and it judges itself.
func demo() *cobra.Command {
	f := demoFlags{opts: stack.Options{Parameters: map[string]string{"ProviderCalls": "240", "ProviderCallsHigh": "60"}}}
	cmd := &cobra.Command{
		Use: "demo", Short: "Run everything here: 25 points of a real scene, a chain, and a batch of 100", Args: none,
		Long: `Starts the local stack (or uses the one that runs), stores 25 points of a real Sentinel-2 scene, some of them clouded,
elsewhere or wrong on purpose, shows how their jobs go, and what came of each. Then one point goes through a chain, and 100
through a batch, of which some fail until the provider is well again. It stays up until Ctrl-C.

With --once it stops after the table, and the exit status is 0 only if every point ended as it had to.

The provider here is a stand-in that can do more than Copernicus: it is asked up to 300 times in a minute, where the
template's default is 30. To watch the limiter at work: --parameter ProviderCalls=24 --parameter ProviderCallsHigh=6.`,
		Example: `  orbitq demo
  orbitq demo --once -o json | jq .totals`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.Flags().BoolVar(&f.once, "once", false, "stop after the table")
	cmd.Flags().DurationVar(&f.patience, "timeout", 3*time.Minute, "how long the jobs may take")
	cmd.Flags().IntVar(&f.opts.Port, "port", 8080, "port of the HTTP API; the next free one when it is taken")
	cmd.Flags().StringToStringVar(&f.opts.Parameters, "parameter", f.opts.Parameters, "parameter of the template, NAME=VALUE")
	dataFlag(cmd, &f.opts.Data)
	return outputFlag(cmd)
}

// run is the whole demo: start, work, show, stay, stop. Whatever goes wrong or whoever interrupts, a stack that was
// started here is stopped here. The verdict comes last, after Ctrl-C: while the stack is up, a row that ended otherwise
// than expected can still be looked into.
func (f *demoFlags) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	state, mine, err := f.stack(cmd)
	if err != nil {
		return err
	}
	if mine != nil {
		defer func() { err = errors.Join(err, mine.Stop()) }()
	}
	report, err := f.work(ctx, cmd, state)
	if err != nil {
		return err
	}
	if err := show(cmd, report, report.write); err != nil {
		return err
	}
	if !f.once {
		if err := f.stay(cmd, report, mine); err != nil {
			return err
		}
	}
	if len(report.Unexpected) > 0 {
		return fmt.Errorf("not everything ended as it had to:\n    %s", strings.Join(report.Unexpected, "\n    "))
	}
	return nil
}

// stack returns the stack of the data folder; mine is nil when it ran before. Everything that is said on the way goes to
// standard error, so that -o json stays one value.
func (f *demoFlags) stack(cmd *cobra.Command) (state stack.State, mine *stack.Stack, err error) {
	f.opts.Say = func(line string) { cmd.PrintErrln("  " + line) }
	began := time.Now()
	mine, err = stack.Start(cmd.Context(), f.opts)
	if errors.Is(err, stack.ErrRunning) {
		state, err = runningStack(f.opts.Data)
		cmd.PrintErrln("using the local stack that runs at " + state.APIURL)
		return state, nil, err
	}
	if err != nil {
		return state, nil, fmt.Errorf("start the local stack: %w", err)
	}
	cmd.PrintErrf("local stack up in %s: queues, table, functions, API, and a real scene for Copernicus\n", span(time.Since(began)))
	return mine.State(), mine, nil
}

// work runs the samples and measures what they cost: every counter is read before and after, because the stack may have
// been in use.
func (f *demoFlags) work(ctx context.Context, cmd *cobra.Command, state stack.State) (*demoReport, error) {
	picture, err := scene.Load()
	if err != nil {
		return nil, fmt.Errorf("load scene: %w", err)
	}
	began := time.Now()
	samples, err := plan(picture, began)
	if err != nil {
		return nil, err
	}
	token, err := localToken(state)
	if err != nil {
		return nil, err
	}
	api := client.New(client.Config{BaseURL: state.APIURL, Token: token})
	m := &meter{state: state, api: api, http: &http.Client{Timeout: 10 * time.Second}}
	before, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	cmd.PrintErrf("storing %d points as user %s (%s)\n", len(samples), localUser, localTier)
	// The key makes every request of this run repeatable, and no request of another run the same.
	d := demonstration{
		api: api, meter: m, key: fmt.Sprintf("demo-%d", began.UnixNano()), now: time.Now,
		draw: newProgress(cmd.ErrOrStderr(), began), patience: f.patience,
	}
	rows, err := d.run(ctx, samples)
	if err != nil {
		return nil, err
	}
	after, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	report := &demoReport{
		Rows: rows, Totals: after.since(before), TookMS: d.draw.took.Milliseconds(), Credit: picture.Attribution(),
		URLs: urls{API: state.APIURL, AWS: state.AWSURL, Copernicus: state.CopernicusURL},
	}
	if f.opts.Data != "" {
		report.URLs.flags = " --data " + f.opts.Data
	}
	flows := flowDemo{api: api, meter: m, state: state, out: cmd.ErrOrStderr(), key: d.key, patience: f.patience}
	cmd.PrintErrf("a chain over one point, and a batch over %d; the provider refuses %d of them at first\n", flowPoints, barrenPoints)
	if report.Flows, err = flows.run(ctx, picture); err != nil {
		return nil, err
	}
	report.judge()
	return report, nil
}

// stay keeps the stack up until Ctrl-C; one that ran before stays up by itself, and there is nothing to wait for. With
// -o json what to do next is no part of the result, and goes where progress goes.
func (f *demoFlags) stay(cmd *cobra.Command, r *demoReport, mine *stack.Stack) error {
	out := cmd.ErrOrStderr()
	if !wantsJSON(cmd) {
		out = cmd.OutOrStdout()
	}
	if err := r.onwards(out); err != nil || mine == nil {
		return err
	}
	cmd.PrintErrln("\nEverything stays up until Ctrl-C.")
	select {
	case <-cmd.Context().Done():
		cmd.PrintErrln("stopping")
		return nil
	case err := <-mine.Done():
		return fmt.Errorf("the local stack broke: %w", err)
	}
}
