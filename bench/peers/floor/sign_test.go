package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestRequestsAreSignedAsTheSDKSigns: a peer that DynamoDB would refuse is no peer.
func TestRequestsAreSignedAsTheSDKSigns(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb.us-east-1.amazonaws.com")
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	req, err := getItem(t.Context(), map[string]any{"TableName": "peers", "Key": map[string]any{"pk": attribute{S: "a#dev"}}}, now)
	if err != nil {
		t.Fatal(err)
	}
	ours := req.Header.Get("Authorization")
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Del("Authorization")
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, req, hex.EncodeToString(sum[:]), service, "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	if theirs := req.Header.Get("Authorization"); ours != theirs {
		t.Errorf("\n%s, the SDK's is\n%s", ours, theirs)
	}
}
