package dynamostore_test

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/dynamostore"
	"orbitq/internal/local/enginestest"
	"orbitq/internal/storetest"
)

// bench owns the engine of this test binary.
var bench enginestest.Bench

func TestMain(m *testing.M) {
	code := m.Run()
	bench.Close()
	os.Exit(code)
}

// newTable makes a table of its own for a test on the real engine.
func newTable(t *testing.T) (*dynamodb.Client, string) {
	t.Helper()
	endpoint := bench.ForTest(t).DynamoDB
	db := dynamodb.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
	table := "t-" + t.Name()
	createTable(t, db, table)
	return db, table
}

// newStore returns a store over a table of its own.
func newStore(t *testing.T, wrap func(dynamostore.Client) dynamostore.Client) *dynamostore.Store {
	t.Helper()
	db, table := newTable(t)
	return dynamostore.New(dynamostore.Config{Client: wrap(db), Table: table, Timing: storetest.Timing(), Jitter: rand.Float64})
}

// createTable makes the table as template.yaml describes it.
func createTable(t *testing.T, db *dynamodb.Client, name string) {
	t.Helper()
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	keys := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
	}
	index := func(name, hash, sort string) types.GlobalSecondaryIndex {
		return types.GlobalSecondaryIndex{
			IndexName: &name, KeySchema: keys(hash, sort), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}
	}
	_, err := db.CreateTable(context.Background(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: keys("pk", "sk"),
		AttributeDefinitions: []types.AttributeDefinition{
			attribute("pk", "S"), attribute("sk", "S"), attribute("ok", "S"), attribute("look", "N"), attribute("own", "S"), attribute("os", "S"), attribute("wk", "S"), attribute("wt", "N"), attribute("gk", "S"),
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{index("open", "ok", "look"), index("owner", "own", "os"), index("line", "wk", "wt"), index("group", "gk", "os")},
	})
	if err != nil {
		t.Fatalf("create table: %v", err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, newStore(t, func(c dynamostore.Client) dynamostore.Client { return c }))
}
