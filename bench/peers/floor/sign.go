package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	service = "dynamodb"
	headers = "content-length;content-type;host;x-amz-date;x-amz-target"
	content = "application/x-amz-json-1.0"
	target  = "DynamoDB_20120810.GetItem"
)

// getItem is a GetItem signed by AWS Signature Version 4 (AWS: "Create a signed AWS
// API request"), of the one form that it has here: POST /, no query.
func getItem(ctx context.Context, in any, now time.Time) (*http.Request, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	at := now.UTC().Format("20060102T150405Z")
	day := at[:8]
	region := os.Getenv("AWS_REGION")
	canonical := strings.Join([]string{
		http.MethodPost, "/", "",
		"content-length:" + strconv.Itoa(len(body)), "content-type:" + content, "host:" + req.URL.Host, "x-amz-date:" + at, "x-amz-target:" + target, "",
		headers, hexSum(body),
	}, "\n")
	scope := day + "/" + region + "/" + service + "/aws4_request"
	key := []byte("AWS4" + os.Getenv("AWS_SECRET_ACCESS_KEY"))
	for _, part := range []string{day, region, service, "aws4_request"} {
		key = mac(key, part)
	}
	signature := mac(key, "AWS4-HMAC-SHA256\n"+at+"\n"+scope+"\n"+hexSum([]byte(canonical)))
	req.Header.Set("Content-Type", content)
	req.Header.Set("X-Amz-Date", at)
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+os.Getenv("AWS_ACCESS_KEY_ID")+"/"+scope+
		", SignedHeaders="+headers+", Signature="+hex.EncodeToString(signature))
	return req, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
