package dynamostore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/point"
)

// TestPlacesSortByTime: also before 1970, and whatever the names are.
func TestPlacesSortByTime(t *testing.T) {
	t.Parallel()
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(-yearOne, 253_402_300_799_999).Draw(t, "ms")).UTC() // years 1 to 9999
	})
	rapid.Check(t, func(t *rapid.T) {
		campaign, metric := texts().Draw(t, "campaign"), texts().Draw(t, "metric")
		a, b := moment.Draw(t, "a"), moment.Draw(t, "b")
		got, want := strings.Compare(readingPlace(campaign, metric, a), readingPlace(campaign, metric, b)), a.Compare(b)
		if got != want {
			t.Fatalf("%q and %q", readingPlace(campaign, metric, a), readingPlace(campaign, metric, b))
		}
		if other := texts().Draw(t, "other"); other != campaign && strings.HasPrefix(readingPlace(other, metric, a), escaped(campaign)+"#") {
			t.Fatalf("the campaign %q looks like %q", other, campaign)
		}
	})
}

// TestPlacesFitIntoAnIndex: DynamoDB refuses to store a row whose sort key of an index has
// more than 1024 bytes, which no emulator does.
func TestPlacesFitIntoAnIndex(t *testing.T) {
	t.Parallel()
	for _, letter := range []string{"a", "#", "%", "\u00e6", "\u4e2d", "\U0001F33E"} {
		name := strings.Repeat(letter, point.MaxReference)
		row := encodePoint(&point.Point{ID: job.DerivedID("p"), Owner: "u", CampaignID: name, MetricID: name})
		if n := len(reader(row).str("os")); n > 1024 {
			t.Errorf("%q: %d bytes", letter, n)
		}
	}
}

// shelf is an index of many points, in pages, whose rows come in the order of nobody.
type shelf struct {
	Client

	n       int
	queries int
}

func (s *shelf) row(i int) item {
	p := point.Point{ID: job.DerivedID(strconv.Itoa(i)), Owner: "u", CampaignID: "c", MetricID: "m", Value: float64(i), CollectedAt: time.UnixMilli(int64(s.n - i)).UTC(), Status: point.Approved}
	return encodePoint(&p)
}

func (s *shelf) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	s.queries++
	from, out := reader(in.ExclusiveStartKey).num("at"), &dynamodb.QueryOutput{}
	for i := from; i < min(from+int(*in.Limit), s.n); i++ {
		out.Items = append(out.Items, item{"pk": pointKey(strconv.Itoa(i))["pk"], "sk": str("POINT")})
	}
	if next := from + int(*in.Limit); next < s.n {
		out.LastEvaluatedKey = item{"at": num(next)}
	}
	return out, nil
}

func (s *shelf) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	var rows []item
	for _, k := range in.RequestItems["t"].Keys {
		i, _ := strconv.Atoi(nameIn(reader(k).str("pk")))
		rows = append(rows, s.row(i))
	}
	slices.Reverse(rows)
	return &dynamodb.BatchGetItemOutput{Responses: map[string][]item{"t": rows}, UnprocessedKeys: map[string]types.KeysAndAttributes{}}, nil
}

// TestTheNewestAreFoundFirst: over pages and requests, and no page more than needed.
func TestTheNewestAreFoundFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, want, queries int }{{7, 3, 1}, {1500, 250, 1}, {1500, 1200, 2}, {2500, 5001, 3}} {
		index := &shelf{n: c.n}
		s := New(Config{Client: index, Table: "t", Jitter: func() float64 { return 0 }})
		got, err := s.FindPoints(t.Context(), "u", flow.Filter{Campaign: "c", Metric: "m"}, c.want)
		if err != nil || len(got) != min(c.n, c.want) || index.queries != c.queries {
			t.Errorf("%d of %d: %d in %d queries, %v", c.want, c.n, len(got), index.queries, err)
		}
		for i := range got {
			if got[i].Value != float64(i) {
				t.Fatalf("%d of %d: at %d stands %v", c.want, c.n, i, got[i].Value)
			}
		}
	}
	index := &shelf{n: 900}
	s := New(Config{Client: index, Table: "t", Jitter: func() float64 { return 0 }})
	subject := point.Point{ID: "p", Owner: "u", CampaignID: "c", MetricID: "m", CollectedAt: time.UnixMilli(900).UTC()}
	got, err := s.Peers(t.Context(), &subject, time.Hour)
	if err != nil || len(got) != maxPeers || got[0] != 0 || got[maxPeers-1] != maxPeers-1 {
		t.Errorf("%d peers, %v", len(got), err)
	}
}

// TestASearchEnds: a request has 29 seconds, and a campaign without a metric may have more
// readings than can be read in them. Peers are those that were found by then.
func TestASearchEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		n       int
		queries int
		code    job.Code // empty for none
	}{
		{"as many as may be read", maxPages * 1000, maxPages, ""},
		{"one more", maxPages*1000 + 1, maxPages, job.InvalidField},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			index := &shelf{n: c.n}
			s := New(Config{Client: index, Table: "t", Jitter: func() float64 { return 0 }})
			never := flow.Filter{Campaign: "c", From: time.UnixMilli(int64(c.n + 1)).UTC()}
			got, err := s.FindPoints(t.Context(), "u", never, 5001)
			if len(got) != 0 || (err == nil) != (c.code == "") || err != nil && job.CodeOf(err) != c.code || index.queries != c.queries {
				t.Errorf("%d points in %d queries, %v; want %q", len(got), index.queries, err, c.code)
			}
			subject := point.Point{ID: "p", Owner: "u", CampaignID: "c", MetricID: "other", CollectedAt: time.UnixMilli(900).UTC()}
			if peers, err := s.Peers(t.Context(), &subject, time.Hour); err != nil || len(peers) != 0 {
				t.Errorf("%d peers, %v", len(peers), err)
			}
		})
	}
}
