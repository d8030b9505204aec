package engines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// prerequisite is a program that only the system can provide.
type prerequisite struct {
	command string
	version []string // arguments that print it
	atLeast string
	debian  []string // packages that bring it; none: Debian's is too old
	fix     string
}

// java runs ElasticMQ; 17 is what its libraries are compiled for.
func java() prerequisite {
	return prerequisite{
		command: "java", version: []string{"-version"}, atLeast: "17",
		debian: []string{"default-jre-headless"}, fix: "install a JDK or JRE, 17 or newer (Debian: apt-get install default-jre-headless)",
	}
}

// maven fetches ElasticMQ with everything that it needs, by the project's own file.
func maven() prerequisite {
	return prerequisite{
		command: "mvn", version: []string{"-v"}, atLeast: "3.6",
		debian: []string{"maven"}, fix: "install Maven 3.6 or newer (Debian: apt-get install maven)",
	}
}

// python runs the translator; ensurepip is what Debian leaves out of its own Python.
func python() prerequisite {
	return prerequisite{
		command: "python3", version: []string{"-c", "import ensurepip, sys; print(sys.version)"}, atLeast: "3.9",
		debian: []string{"python3", "python3-venv"}, fix: "install Python 3.9 or newer with its venv module (Debian: apt-get install python3-venv)",
	}
}

// compiler builds the SQLite inside the table engine.
func compiler() prerequisite {
	return prerequisite{
		command: "cc", version: []string{"--version"}, atLeast: "1",
		debian: []string{"gcc", "libc6-dev"}, fix: "install a C compiler (Debian: apt-get install gcc libc6-dev)",
	}
}

// rust builds the table engine; Debian has no new enough one before version 14, so the fix names rustup.
func rust() prerequisite {
	return prerequisite{
		command: "cargo", version: []string{"--version"}, atLeast: "1.88",
		fix: "install Rust 1.88 or newer with rustup (https://rustup.rs)",
	}
}

// require makes sure that programs are there and new enough; on Debian root installs what is missing.
func (i Installer) require(ctx context.Context, all ...prerequisite) error {
	for _, p := range all {
		problem := p.check(ctx)
		if problem == nil {
			continue
		}

		if _, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 && len(p.debian) > 0 {
			i.say(problem.Error() + ": installing " + strings.Join(p.debian, " "))
			// Only root on Debian: elsewhere it is not ours to change a machine.
			aptInstall(ctx, p.debian)

			problem = p.check(ctx)
		}

		if problem != nil {
			return fmt.Errorf("%w: %s", problem, p.fix)
		}
	}

	return nil
}

// aptInstall leaves the verdict to the check that follows it.
func aptInstall(ctx context.Context, packages []string) {
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...) //nolint:gosec // this package's own words
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")

		if runCommand(cmd) != nil {
			return
		}
	}
}

// check says what is wrong, or nothing.
func (p prerequisite) check(ctx context.Context) error {
	path, err := find(p.command)
	if err != nil {
		return fmt.Errorf("%s is missing", p.command)
	}

	// Run, not only found: a shim without a tool behind it is as good as nothing.
	out, err := exec.CommandContext(ctx, path, p.version...).CombinedOutput() //nolint:gosec // looked up by name
	if err != nil {
		return fmt.Errorf("%s does not run (%w)", p.command, err)
	}

	if found := versionIn(string(out)); older(found, p.atLeast) {
		return fmt.Errorf("%s is version %s, %s or newer is needed", p.command, found, p.atLeast)
	}

	return nil
}
