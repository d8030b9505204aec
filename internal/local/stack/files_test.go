package stack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/issuer"
)

func TestLinkedBinariesStayWhatTheyWere(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	shared, own := filepath.Join(dir, "shared"), filepath.Join(dir, "own", "bootstrap")

	// As the compiler does it: never into the file that is there.
	build := func(text string) {
		if err := errors.Join(os.RemoveAll(shared), os.WriteFile(shared, []byte(text), 0o700)); err != nil {
			t.Fatal(err)
		}
	}

	for _, text := range []string{"first", "second"} {
		build(text)

		if err := link(shared, own); err != nil {
			t.Fatal(err)
		}

		build("newer")

		if got, err := os.ReadFile(own); err != nil || string(got) != text {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}

	if err := link(filepath.Join(dir, "nothing"), own); err == nil {
		t.Error("linked what is not there")
	}
}

func TestLogsBeginAnewAndAppend(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	for range 2 {
		book := newLogBook(dir)

		out, err := book.open("enrich")
		if err != nil {
			t.Fatal(err)
		}

		for _, line := range []string{"one\n", "two\n"} {
			if _, err := out.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}

		if err := book.close(); err != nil {
			t.Fatal(err)
		}

		if got, err := os.ReadFile(logFile(dir, "enrich")); err != nil || string(got) != "one\ntwo\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}

	if _, err := newLogBook(filepath.Join(dir, "nowhere")).open("enrich"); err == nil {
		t.Error("a log in a folder that is not there")
	}
}

func TestOneClaimAtATime(t *testing.T) {
	t.Parallel()

	data := filepath.Join(t.TempDir(), "run")
	if Claimed(data) {
		t.Error("a folder that is not there is claimed")
	}

	release, err := claim(t.Context(), data, time.Second)
	if err != nil || !Claimed(data) {
		t.Fatalf("claimed %v, %v", Claimed(data), err)
	}

	if _, err := claim(t.Context(), data, 10*time.Millisecond); !errors.Is(err, ErrRunning) {
		t.Errorf("second claim: %v", err)
	}

	// One that is just stopping is waited for.
	go release()

	again, err := claim(t.Context(), data, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}

	again()

	if Claimed(data) {
		t.Error("still claimed")
	}
}

func TestStateGoesThroughItsFile(t *testing.T) {
	t.Parallel()

	data := t.TempDir()

	release, err := claim(t.Context(), data, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer release()

	want := State{
		APIURL: "http://api", Issuer: "http://issuer", Audience: "orbitq", Data: data, Table: "t",
		Queues: shortNames([]cfn.Queue{{Name: Name + "-satellite", URL: "u"}}), StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	if err := want.write(); err != nil {
		t.Fatal(err)
	}

	info, err := os.Stat(stateFile(data))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	got, err := Read(data)
	if err != nil || got.APIURL != want.APIURL || got.Queues["satellite"] != "u" || !got.StartedAt.Equal(want.StartedAt) {
		t.Errorf("got %+v, %v", got, err)
	}

	if err := os.WriteFile(stateFile(data), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := Read(data); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("half a file: %v", err)
	}

	if err := errors.Join(removeState(data), removeState(data)); err != nil {
		t.Error(err)
	}
}

func TestTokensAreOfTheFoldersKey(t *testing.T) {
	t.Parallel()

	s := State{Issuer: "http://issuer", Audience: "orbitq", Data: t.TempDir()}

	signed, err := s.Mint(Token{User: "ana", Tier: "pro", Scopes: []string{"orbitq/read"}, Expires: time.Hour})
	if err != nil || strings.Count(signed, ".") != 2 {
		t.Fatalf("got %q, %v", signed, err)
	}

	if _, err := issuer.New(issuer.Config{URL: s.Issuer, Dir: s.Data}); err != nil {
		t.Errorf("the key cannot be used again: %v", err)
	}

	if _, err := (State{Data: t.TempDir()}).Mint(Token{User: "ana"}); err == nil {
		t.Error("a token of no issuer")
	}
}

func TestDefaultsAreThoseOfTheRepository(t *testing.T) {
	t.Parallel()

	o, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}

	root, err := FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}

	if o.Root != root || o.Template != filepath.Join(root, "template.yaml") || o.Data != filepath.Join(root, ".orbitq", "run") || o.Region != "eu-central-1" {
		t.Errorf("got %+v", o)
	}

	o.Say("nobody listens")
	o.Log.Info("nobody reads")

	if _, err := (Options{Template: filepath.Join(t.TempDir(), "template.yaml")}).withDefaults(); err == nil {
		t.Error("a template outside of any repository was taken")
	}

	if (Options{}).awsPort() != 0 || (Options{Port: 8080}).awsPort() != awsPort {
		t.Error("people find the AWS endpoint where it is known to be, tests take any port")
	}
}

func TestIgnoredTypesAreNamedOnce(t *testing.T) {
	t.Parallel()

	got := ignored(&cfn.Stack{Ignored: []string{
		"AWS::Logs::LogGroup L", "AWS::CloudWatch::Alarm A", "AWS::Lambda::Version V", "AWS::CloudWatch::Alarm B", "AWS::SNS::Topic T",
	}})
	if strings.Join(got, " ") != "AWS::CloudWatch::Alarm AWS::SNS::Topic" {
		t.Errorf("got %v", got)
	}
}
