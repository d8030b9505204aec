package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// Executions is the state machines of chains and batches, and the bucket from which a
// large batch reads its items.
//
// The bucket gets one small object for each such batch, so it is written by one signed
// request: the whole S3 client would make every function larger for it.
type Executions struct {
	ExecutionsConfig
}

// ExecutionsConfig has the parts of Executions.
type ExecutionsConfig struct {
	Client   *sfn.Client
	Machines map[flow.Machine]string // ARNs
	Bucket   string
	AWS      aws.Config // of the signature, and the endpoint if it is not AWS's own
	HTTP     *http.Client
	Now      func() time.Time
}

// NewExecutions returns Executions.
func NewExecutions(c ExecutionsConfig) *Executions { return &Executions{c} }

// Start implements flow.Executions. A name that was used is a success, whatever its input
// was: the row names its execution, so nobody else can have started it.
func (e *Executions) Start(ctx context.Context, m flow.Machine, name string, input []byte) error {
	arn, text := e.Machines[m], string(input)
	_, err := e.Client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &arn, Name: &name, Input: &text})
	if _, exists := errors.AsType[*types.ExecutionAlreadyExists](err); err == nil || exists {
		return nil
	}
	return job.Errorf(job.Unavailable, "start execution: %w", err)
}

// Running implements flow.Executions.
func (e *Executions) Running(ctx context.Context, m flow.Machine, name string) (bool, error) {
	arn := executionARN(e.Machines[m], name)
	out, err := e.Client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if _, unknown := errors.AsType[*types.ExecutionDoesNotExist](err); unknown {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe execution: %w", err)
	}
	return out.Status == types.ExecutionStatusRunning, nil
}

// executionARN returns the ARN of an execution of a state machine.
func executionARN(machine, name string) string {
	const kind = ":stateMachine:"
	for i := 0; i+len(kind) <= len(machine); i++ {
		if machine[i:i+len(kind)] == kind {
			return machine[:i] + ":execution:" + machine[i+len(kind):] + ":" + name
		}
	}
	return machine
}

// PutList implements flow.Executions.
func (e *Executions) PutList(ctx context.Context, key string, list []byte) (string, error) {
	url := "https://" + e.Bucket + ".s3." + e.AWS.Region + ".amazonaws.com/" + key
	if e.AWS.BaseEndpoint != nil {
		url = *e.AWS.BaseEndpoint + "/" + e.Bucket + "/" + key
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(list))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	sum := sha256.Sum256(list)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Content-Sha256", hash)
	creds, err := e.AWS.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("read credentials: %w", err)
	}
	// S3 wants paths that are escaped once, unlike every other service.
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		SignHTTP(ctx, creds, req, hash, "s3", e.AWS.Region, e.Now())
	if err != nil {
		return "", fmt.Errorf("sign request: %w", err)
	}
	res, err := e.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		told, _ := io.ReadAll(io.LimitReader(res.Body, 500)) // only for the log
		return "", fmt.Errorf("put object: status %d: %s", res.StatusCode, told)
	}
	return e.Bucket, nil
}
