package stack

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/cfn"
	"orbitq/internal/local/engines"
	"orbitq/internal/local/issuer"
)

// claim makes sure that no other stack uses the data folder, and throws away what one that was killed has left.
func (s *Stack) claim(ctx context.Context) error {
	if _, err := Read(s.opts.Data); err == nil {
		return fmt.Errorf("%w in %s", ErrRunning, s.opts.Data)
	}

	// One that is just stopping is waited for.
	release, err := claim(ctx, s.opts.Data, stopPatience)
	if err != nil {
		return err
	}

	s.onStop(func() error { release(); return nil })

	if err := removeState(s.opts.Data); err != nil { // one that was killed has left it
		return err
	}

	s.logs = newLogBook(LogFolder(s.opts.Data))
	s.onStop(s.logs.close)

	return nil
}

// install makes sure of the engines; it does nothing when they are there.
func (s *Stack) install(ctx context.Context) error {
	i := engines.Installer{Home: s.opts.tools(), Pins: filepath.Join(s.opts.Root, "local"), Say: s.opts.Say}
	if err := i.Install(ctx); err != nil {
		return fmt.Errorf("install tools: %w", err)
	}

	return nil
}

// open takes the ports first: the template needs to know them.
func (s *Stack) open(ctx context.Context) error {
	for _, w := range []struct {
		site **site
		port int
	}{{&s.aws, s.opts.awsPort()}, {&s.api, s.opts.Port}, {&s.provided, 0}} {
		opened, err := newSite(ctx, w.port)
		if err != nil {
			return err
		}

		*w.site = opened
		s.onStop(opened.close)
	}

	i, err := issuer.New(issuer.Config{URL: s.aws.url() + issuerPath, Dir: s.opts.Data})
	if err != nil {
		return fmt.Errorf("make issuer: %w", err)
	}

	s.issuer = i

	return nil
}

// read expands the template and starts the provider, whose credentials the template hands out.
func (s *Stack) read(ctx context.Context) error {
	// Fresh credentials for each run: nothing can work because a secret happens to be well known.
	id, secret := "local-"+rand.Text()[:8], rand.Text()

	provider, err := cdse.New(cdse.Config{ClientID: id, ClientSecret: secret})
	if err != nil {
		return fmt.Errorf("make provider: %w", err)
	}

	s.provider = provider
	s.provided.serve(provider, s.fail)

	python, err := engines.Installer{Home: s.opts.tools()}.Python()
	if err != nil {
		return fmt.Errorf("find translator: %w", err)
	}

	// What a deployment would be told on its command line.
	parameters := map[string]string{
		"Stage": "dev", "JwtIssuer": s.issuer.URL(), "JwtAudience": audience,
		"CopernicusApiUrl": s.provided.url(), "CopernicusTokenUrl": s.provided.url() + cdse.TokenPath,
		"CopernicusClientId": id, "CopernicusClientSecret": secret,
	}
	maps.Copy(parameters, s.opts.Parameters)

	s.template, err = cfn.Load(ctx, cfn.Source{
		Template: s.opts.Template, Python: python, Script: filepath.Join(s.opts.Root, "local", "expand.py"),
		Cache: filepath.Join(s.opts.Root, ".orbitq", "expanded"), Region: s.opts.Region, Account: engines.Account, Stack: Name,
		Endpoint: s.aws.url(), Parameters: parameters,
	})
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}

	s.log().Info("not made locally", "types", strings.Join(ignored(s.template), ", "))

	for _, m := range s.template.StateMachines {
		if err := runnable(m); err != nil {
			return err
		}
	}

	return compress(s.template, s.opts.Speed)
}

// publish tells other processes that the stack is ready.
func (s *Stack) publish(context.Context) error {
	s.state = s.describe()
	s.onStop(func() error { return removeState(s.opts.Data) })

	return s.state.write()
}
