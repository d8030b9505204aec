// Package engines installs and runs the programs that stand in for AWS: a table engine that speaks DynamoDB,
// ElasticMQ, which speaks SQS, and moto, which interprets state machines. All are open source, run without Docker, and
// are fetched at pinned versions.
//
// Install puts everything into one folder (.orbitq/tools) and may run in several processes at once: a lock file
// serialises them, and a part is complete only when its mark exists, so an interrupted installation is repeated. What
// must come from the system (Java, Maven, Python, Rust) is asked of apt on Debian when root runs it, and named in a
// message with the fix everywhere else.
//
// A started engine listens on a free loopback port, is ready when it answers, writes its output to a file, and dies
// with its parent where the system offers that. Done tells of an engine that ended on its own; nobody restarts it,
// because a memory engine that comes back empty is worse than one that is gone.
//
// Of moto only the interpreter is used. Its launcher (local/states.py) puts right what it does unlike AWS, and every
// call that a state machine makes goes to the gateway, which answers it or sends it to the engine of its service.
//
// The table engine is dynoxide (SQLite): the vendor's own local DynamoDB is not under an open source licence, and a
// project whose checks need it would hand that licence to everyone who runs them.
package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// DynamoDB starts the table engine. With an empty Config.Data it keeps everything in memory.
func DynamoDB(ctx context.Context, cfg Config) (*Engine, error) {
	tool, err := cfg.tools().Tables()
	if err != nil {
		return nil, err
	}

	return start(ctx, cfg, program{
		name: "tables", path: tool,
		args: func(port int) ([]string, error) {
			args := []string{"--host", loopback, "--port", strconv.Itoa(port)}
			if cfg.Data == "" {
				return args, nil
			}

			if err := os.MkdirAll(cfg.Data, 0o750); err != nil {
				return nil, fmt.Errorf("make data folder: %w", err)
			}

			return append(args, "--db-path", filepath.Join(cfg.Data, "tables.sqlite")), nil
		},
	})
}

// ElasticMQ starts the queue engine, which keeps everything in memory.
func ElasticMQ(ctx context.Context, cfg Config) (*Engine, error) {
	home, err := cfg.tools().Queues()
	if err != nil {
		return nil, err
	}

	java, err := find("java")
	if err != nil {
		return nil, err
	}

	return start(ctx, cfg, program{
		name: "queues", path: java, forgetful: true,
		args: func(port int) ([]string, error) { return queueArgs(cfg, home, port), nil },
	})
}

// States starts the state machine engine, which keeps everything in memory. Config.Public and Config.Script must be
// set: state machines call functions and whatever else they use at the gateway.
func States(ctx context.Context, cfg Config) (*Engine, error) {
	python, err := cfg.tools().States()
	if err != nil {
		return nil, err
	}

	_, gateway := split(cfg.Public)
	if gateway == "" || cfg.Script == "" {
		return nil, errors.New("start states engine: it needs the gateway's address and its launcher")
	}

	return start(ctx, cfg, program{
		name: "states", path: python, forgetful: true,
		args: func(port int) ([]string, error) {
			return []string{cfg.Script, strconv.Itoa(port), gateway, strconv.FormatFloat(max(1, cfg.Speed), 'g', -1, 64)}, nil
		},
	})
}

// queueArgs keeps the virtual machine small and quick to start; the archive of loaded classes is made by the
// installation and only an optimisation, so a stale one is ignored.
func queueArgs(cfg Config, home string, port int) []string {
	public := cfg.Public
	if public == "" {
		public = address(port)
	}

	host, publicPort := split(public)

	return []string{
		"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Xshare:auto", "-XX:SharedArchiveFile=" + filepath.Join(home, archive), "-Xlog:cds=off", "-Xlog:cds+dynamic=off",
		"-Drest-sqs.bind-hostname=" + loopback, "-Drest-sqs.bind-port=" + strconv.Itoa(port), "-Drest-stats.enabled=false",
		"-Dnode-address.protocol=http", "-Dnode-address.host=" + host, "-Dnode-address.port=" + publicPort,
		"-Daws.region=" + cfg.Region, "-Daws.accountId=" + Account,
		"-cp", filepath.Join(home, "*"), "org.elasticmq.server.Main",
	}
}
