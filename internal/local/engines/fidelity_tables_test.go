package engines_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/local/engines"
)

// config makes stock clients talk to an engine.
func config(url string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
}

// tables is a table of one test on an engine of its own.
type tables struct {
	*dynamodb.Client
	name *string
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num(n int) types.AttributeValue { return &types.AttributeValueMemberN{Value: strconv.Itoa(n)} }

// newTables starts an engine with a table of the product's shape: two keys and a sparse index ordered by a number.
func newTables(t *testing.T) tables {
	t.Helper()

	e, err := engines.DynamoDB(t.Context(), installed(t))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})

	db := tables{dynamodb.NewFromConfig(config(e.URL)), aws.String("rows")}
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	keys := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
	}

	if _, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: db.name, BillingMode: types.BillingModePayPerRequest, KeySchema: keys("pk", "sk"),
		AttributeDefinitions: []types.AttributeDefinition{attribute("pk", "S"), attribute("sk", "S"), attribute("ok", "S"), attribute("look", "N")},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("open"), KeySchema: keys("ok", "look"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
		},
	}); err != nil {
		t.Fatal(err)
	}

	return db
}

func (db tables) put(t *testing.T, i item) {
	t.Helper()

	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: db.name, Item: i}); err != nil {
		t.Fatal(err)
	}
}

func (db tables) get(t *testing.T, pk string) item {
	t.Helper()

	out, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: db.name, Key: item{"pk": text(pk), "sk": text("-")}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}

	return out.Item
}

// add is a conditional counter, as the usage meter has it.
func (db tables) add(pk string) *types.Update {
	return &types.Update{
		TableName: db.name, Key: item{"pk": text(pk), "sk": text("-")}, UpdateExpression: aws.String("ADD n :one"),
		ConditionExpression: aws.String("attribute_not_exists(n) OR n < :most"), ExpressionAttributeValues: item{":one": num(1), ":most": num(5)},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
}

// TestAFailedTransactionTellsWhy is what the worker decides by: a reason for each item, in order, with the old items.
func TestAFailedTransactionTellsWhy(t *testing.T) {
	t.Parallel()

	db := newTables(t)
	db.put(t, item{"pk": text("full"), "sk": text("-"), "n": num(5)})
	db.put(t, item{"pk": text("there"), "sk": text("-"), "what": text("first")})

	_, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: db.add("free")},
		{Update: db.add("full")},
		{Put: &types.Put{
			TableName: db.name, Item: item{"pk": text("there"), "sk": text("-"), "what": text("second")}, ConditionExpression: aws.String("attribute_not_exists(pk)"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}},
	}})

	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) != 3 {
		t.Fatalf("got %v", err)
	}

	for i, want := range []string{"None", "ConditionalCheckFailed", "ConditionalCheckFailed"} {
		if got := aws.ToString(cancelled.CancellationReasons[i].Code); got != want {
			t.Errorf("reason %d: got %s, want %s", i, got, want)
		}
	}

	if n, ok := cancelled.CancellationReasons[1].Item["n"].(*types.AttributeValueMemberN); !ok || n.Value != "5" {
		t.Errorf("old counter: %v", cancelled.CancellationReasons[1].Item)
	}

	if what, ok := cancelled.CancellationReasons[2].Item["what"].(*types.AttributeValueMemberS); !ok || what.Value != "first" {
		t.Errorf("old item: %v", cancelled.CancellationReasons[2].Item)
	}

	if len(db.get(t, "free")) != 0 {
		t.Error("a cancelled transaction has written")
	}
}

// TestManyAtOnceRespectACondition is the promise that no unit is sold twice.
func TestManyAtOnceRespectACondition(t *testing.T) {
	t.Parallel()

	db := newTables(t)

	var (
		all       sync.WaitGroup
		succeeded atomic.Int32
	)

	for i := range 40 {
		all.Go(func() {
			_, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Update: db.add("meter")},
				{Put: &types.Put{TableName: db.name, Item: item{"pk": text(fmt.Sprint("row-", i)), "sk": text("-")}}},
			}})

			var cancelled *types.TransactionCanceledException
			switch {
			case err == nil:
				succeeded.Add(1)
			case !errors.As(err, &cancelled):
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}

	all.Wait()

	rows, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: db.name, FilterExpression: aws.String("begins_with(pk, :p)"), ExpressionAttributeValues: item{":p": text("row-")}})
	if err != nil || succeeded.Load() != 5 || rows.Count != 5 {
		t.Errorf("%d succeeded, %d rows, %v; want 5", succeeded.Load(), rows.Count, err)
	}
}

// TestATokenMakesATransactionHappenOnce: the client token of SDK retries, and its misuse.
func TestATokenMakesATransactionHappenOnce(t *testing.T) {
	t.Parallel()

	db := newTables(t)
	once := func(by int) error {
		update := db.add("meter")
		update.ExpressionAttributeValues[":one"] = num(by)
		_, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: aws.String("token"), TransactItems: []types.TransactWriteItem{{Update: update}},
		})

		return err
	}

	if err := errors.Join(once(1), once(1)); err != nil {
		t.Fatal(err)
	}

	if n, ok := db.get(t, "meter")["n"].(*types.AttributeValueMemberN); !ok || n.Value != "1" {
		t.Errorf("the same token counted twice: %v", n)
	}

	var mismatch *types.IdempotentParameterMismatchException
	if err := once(2); !errors.As(err, &mismatch) {
		t.Errorf("another transaction under the token: %v", err)
	}
}

// TestASparseIndexIsOrderedAndPaged is what the relay reads.
func TestASparseIndexIsOrderedAndPaged(t *testing.T) {
	t.Parallel()

	db := newTables(t)
	for i := range 25 {
		row := item{"pk": text(fmt.Sprint("job-", i)), "sk": text("-"), "rest": text("x")}
		if i%5 != 0 {
			row["ok"], row["look"] = text("0"), num(100-i)
		}

		db.put(t, row)
	}

	var looks []int

	pages := dynamodb.NewQueryPaginator(db, &dynamodb.QueryInput{
		TableName: db.name, IndexName: aws.String("open"), KeyConditionExpression: aws.String("ok = :s AND look <= :now"),
		ExpressionAttributeValues: item{":s": text("0"), ":now": num(90)}, Limit: aws.Int32(4),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		for _, row := range page.Items {
			if _, ok := row["rest"]; ok {
				t.Error("an index of keys only has more")
			}

			var n int
			if _, err := fmt.Sscan(row["look"].(*types.AttributeValueMemberN).Value, &n); err != nil {
				t.Fatal(err)
			}

			looks = append(looks, n)
		}
	}

	if len(looks) != 12 || looks[0] != 76 || looks[11] != 89 {
		t.Errorf("got %v", looks)
	}

	// The row leaves the index with its attribute.
	if _, err := db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: db.name, Key: item{"pk": text("job-24"), "sk": text("-")}, UpdateExpression: aws.String("REMOVE ok, look"),
	}); err != nil {
		t.Fatal(err)
	}

	out, err := db.Query(t.Context(), &dynamodb.QueryInput{
		TableName: db.name, IndexName: aws.String("open"), KeyConditionExpression: aws.String("ok = :s"),
		ExpressionAttributeValues: item{":s": text("0")},
	})
	if err != nil || out.Count != 19 {
		t.Errorf("%d rows, %v", out.Count, err)
	}
}

// TestCapacityIsCounted: the receipt counts on these figures.
func TestCapacityIsCounted(t *testing.T) {
	t.Parallel()

	db := newTables(t)

	put, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: db.name, Item: item{"pk": text("a"), "sk": text("-"), "fill": text(strings.Repeat("x", 1500))}, ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil || aws.ToFloat64(put.ConsumedCapacity.CapacityUnits) != 2 {
		t.Errorf("1.5 KB put: %+v, %v", put.ConsumedCapacity, err)
	}

	both, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		TransactItems:          []types.TransactWriteItem{{Put: &types.Put{TableName: db.name, Item: item{"pk": text("b"), "sk": text("-")}}}},
	})
	if err != nil || len(both.ConsumedCapacity) != 1 || aws.ToFloat64(both.ConsumedCapacity[0].CapacityUnits) != 2 {
		t.Errorf("small transaction: %+v, %v", both.ConsumedCapacity, err)
	}
}

// TestLimitsOfTheTable: what AWS refuses must not work here either.
func TestLimitsOfTheTable(t *testing.T) {
	t.Parallel()

	db := newTables(t)

	for _, c := range []struct {
		name string
		item item
		want string
	}{
		{"item of 400 KB", item{"pk": text("a"), "sk": text("-"), "fill": text(strings.Repeat("x", 400<<10))}, "Item size has exceeded"},
		{"empty key", item{"pk": text(""), "sk": text("-")}, "empty string"},
		{"missing key", item{"pk": text("a")}, "Missing the key sk"},
		{"index key of another type", item{"pk": text("a"), "sk": text("-"), "ok": text("0"), "look": text("soon")}, "Type mismatch"},
		{"number beyond 38 digits", item{"pk": text("a"), "sk": text("-"), "n": &types.AttributeValueMemberN{Value: strings.Repeat("9", 39)}}, "38"},
	} {
		_, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: db.name, Item: c.item})
		if err == nil || !strings.Contains(err.Error(), "ValidationException") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestNothingExpires is a difference: AWS deletes rows some time after their end, the engine keeps them. Correctness
// never rests on it, because AWS may take days.
func TestNothingExpires(t *testing.T) {
	t.Parallel()

	db := newTables(t)
	if _, err := db.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: db.name, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}

	db.put(t, item{"pk": text("old"), "sk": text("-"), "ttl": num(int(time.Now().Add(-time.Hour).Unix()))})

	if len(db.get(t, "old")) == 0 {
		t.Error("the engine deletes expired rows now: say so in docs/fidelity.md")
	}
}
