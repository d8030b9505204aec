package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
	"orbitq/internal/local/stack"
)

// unmetered is a provider that does not say that it was asked too often, and no more workers than this machine can
// run at once: each of them would only wait for the others.
func unmetered(o *stack.Options) {
	o.Parameters = generous()
	o.Parameters["ProviderRequestsPerMonth"], o.Parameters["ProviderUnitsPerMonth"] = "0", "0"
	o.Parameters["WorkerConcurrency"] = "3"
}

// rest waits until no job is open, the work queues are empty, and the dead jobs and the raw messages that were none are
// in the dead letter queue and on record. It complains only when nothing has changed for long: what still moves is not
// stuck, however slow the machine is.
func (w *world) rest(t *testing.T, raw int) (dead int) {
	t.Helper()
	last, since := "", time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range tick.C {
		rows, letters := w.tally(t), w.depth(t, "satellite-dlq")
		messages := w.depth(t, "satellite") + w.depth(t, "satellite-high") + w.depth(t, "satellite-low")
		open := 0
		for what, n := range rows {
			if state, ok := strings.CutPrefix(what, "JOB "); ok && job.State(state).Open() {
				open += n
			}
		}
		dead = rows["JOB dead"]
		if open == 0 && messages == 0 && letters == dead+raw && rows["POISON "] == raw {
			break
		}
		now := fmt.Sprint(rows, messages, letters)
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > patience || t.Context().Err() != nil {
			t.Fatalf("nothing moves: rows %v, %d messages, %d letters", rows, messages, letters)
		}
	}
	return dead
}

// tally counts the rows by their sort key, up to its first #, and state.
func (w *world) tally(t *testing.T) map[string]int {
	t.Helper()
	counts, table, only := map[string]int{}, w.State().Table, "sk, st"
	pages := dynamodb.NewScanPaginator(w.db, &dynamodb.ScanInput{TableName: &table, ProjectionExpression: &only})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			sk, state := row["sk"].(*types.AttributeValueMemberS), ""
			if st, ok := row["st"].(*types.AttributeValueMemberS); ok {
				state = st.Value
			}
			kind, _, _ := strings.Cut(sk.Value, "#")
			counts[kind+" "+state]++
		}
	}
	return counts
}
