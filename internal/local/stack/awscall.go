package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Prefixes of X-Amz-Target.
const (
	targetTables = "DynamoDB_20120810."
	targetQueues = "AmazonSQS."
)

// refused turns an answer that is not OK into an error.
func refused(status int, answer []byte, err error) error {
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %.500s", status, answer)
	}

	return err
}

// call makes one request of an AWS JSON protocol, as the operator.
func (p provisioner) call(ctx context.Context, url, service, target string, in any) (int, []byte, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, nil, fmt.Errorf("write request: %w", err)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("write request: %w", err)
	}

	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", target)
	// The engines want a signature to be there, and do not verify it.
	req.Header.Set("X-Amz-Date", "20260101T000000Z")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+OperatorKey+"/20260101/"+p.region+"/"+service+"/aws4_request, SignedHeaders=host, Signature=none")

	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()

	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}

	return res.StatusCode, answer, nil
}
