package wire

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"orbitq/internal/account"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/outbox"
	"orbitq/internal/quality"
	"orbitq/internal/webhook"
)

// putTimeout is the longest wait for the bucket.
const putTimeout = 10 * time.Second

// beside is how many items a function stops side by side: enough to hide the table's
// latency behind what little processor it has.
const beside = 16

// flowConfig returns what every use of chains and batches needs.
func (s *System) flowConfig() flow.Config {
	store := s.store()
	return flow.Config{
		Chains: store, Batches: store, Items: store, Jobs: store, Points: store, Open: store,
		Courier: flow.Courier{Mail: store}, Policies: s.policies(), CheckURL: s.checkURL,
		Now: now, Entropy: entropy, Timing: s.timing(), Tries: Tries, Beside: beside,
	}
}

// shown returns the use case of chains and batches for those who only look.
func (s *System) shown() *flow.Flow { return flow.New(s.flowConfig()) }

// Starter returns the use case of chains and batches for those who start them. The same
// one serves a function however often it asks.
func (s *System) Starter() *flow.Flow {
	if s.flows == nil {
		c := s.flowConfig()
		c.Executions = s.executions()
		s.flows = flow.New(c)
	}
	return s.flows
}

// Flows returns the use case of chains and batches for the relay: it starts what has
// fallen silent, and delivers what there is to tell.
func (s *System) Flows() *flow.Flow {
	if s.flows == nil {
		c := s.flowConfig()
		c.Executions, c.Courier = s.executions(), s.courier()
		c.Courier.Topic = account.NewTopic(sns.NewFromConfig(s.aws), s.env.text("ORBITQ_EVENTS_TOPIC")).Tell
		c.Courier.Notices = account.NewTopic(sns.NewFromConfig(s.aws), s.env.text("ORBITQ_NOTICES_TOPIC")).Tell
		s.flows = flow.New(c)
		s.flows.Courier.Deliver = s.outbox(s.flows).Deliver
	}
	return s.flows
}

// Flow returns the use case of chains and batches for the tasks of the state machines.
func (s *System) Flow() *flow.Flow {
	c := s.flowConfig()
	c.Runner, c.Courier = s.Worker(), s.courier()
	f := flow.New(c)
	// The use case and the outbox need each other: it says how an event is sent, the outbox
	// sends it and takes note.
	f.Courier.Deliver = s.outbox(f).Deliver
	return f
}

// outbox returns what delivers events in the ways that a use case knows.
func (s *System) outbox(f *flow.Flow) *outbox.Outbox {
	return outbox.New(outbox.Config{Store: s.store(), Receivers: s.store(), Notifier: f, Now: now})
}

// executions returns the state machines.
func (s *System) executions() *account.Executions {
	return account.NewExecutions(account.ExecutionsConfig{
		Client: sfn.NewFromConfig(s.aws),
		Machines: map[flow.Machine]string{
			flow.ChainMachine: s.env.text("ORBITQ_CHAIN_MACHINE"), flow.BatchMachine: s.env.text("ORBITQ_BATCH_MACHINE"),
		},
		Bucket: s.env.text("ORBITQ_LISTS_BUCKET"), AWS: s.aws, HTTP: &http.Client{Timeout: putTimeout}, Now: now,
	})
}

// courier returns what brings events to where their owners hear them.
func (s *System) courier() flow.Courier {
	sender := webhook.New(webhook.Config{Secret: s.signing().Of, Allow: s.allowed(), Now: now})
	return flow.Courier{
		Mail: s.store(), Sender: s.queues(),
		Post: func(ctx context.Context, owner, id, url string, body []byte, at time.Time) error {
			return sender.Post(ctx, webhook.Message{Owner: owner, ID: id, URL: url, Body: body, At: at})
		},
	}
}

// signing returns the secrets of those who are posted to.
func (s *System) signing() *account.Signing {
	return account.NewSigning(secretsmanager.NewFromConfig(s.aws), s.env.text("ORBITQ_WEBHOOK_SECRET_ARN"), now)
}

// checkURL says what is wrong with the URL of a webhook.
func (s *System) checkURL(field, url string) []job.Violation {
	return webhook.CheckURL(field, url, s.allowed())
}

// allowed reads the private ranges that webhooks may reach, separated by commas: none
// unless the deployment says so.
func (s *System) allowed() []netip.Prefix {
	var all []netip.Prefix
	for part := range strings.SplitSeq(s.env.get("ORBITQ_WEBHOOK_ALLOW"), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			s.env.add(fmt.Errorf("environment variable ORBITQ_WEBHOOK_ALLOW: %q is not a range such as 10.0.0.0/8", part))
			continue
		}
		all = append(all, prefix)
	}
	return all
}

// rules reads the rules of the quality analysis.
func (s *System) rules() quality.Config {
	c := quality.DefaultConfig()
	c.AutoApprove = s.env.get("ORBITQ_AUTO_APPROVE") == "true"
	return c
}
