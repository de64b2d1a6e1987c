package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bbolterrors "go.etcd.io/bbolt/errors"

	"scopegate/internal/opentable"
	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/bolt"
	"scopegate/store/dynamo"
)

// DataFile is the name of the embedded store's file in its folder.
const DataFile = "scopegate.db"

// OpenData opens the embedded store of a folder, which it makes if need be.
func OpenData(dir string) (*bolt.Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	s, err := bolt.Open(filepath.Join(dir, DataFile))
	if errors.Is(err, bbolterrors.ErrTimeout) { // of the file's lock
		return nil, fmt.Errorf("open data folder %s (a running scopegate dev keeps it to itself: use --dev with its admin port): %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", dir, err)
	}
	return s, nil
}

// data is what the options say about keeping things.
type data struct {
	store  store.Store
	about  string // the store, for people
	folder string // for other files
}

// openData opens the store of the options and finds the folder beside it. remove
// takes away what was only temporary.
func (o *Options) openData(ctx context.Context, table string) (d data, remove func() error, err error) {
	remove = func() error { return nil }
	if d.folder = o.Data; o.Data == "" {
		if d.folder, err = os.MkdirTemp("", "scopegate-dev-"); err != nil {
			return d, remove, fmt.Errorf("make a temporary data folder: %w", err)
		}
		remove = func() error { return os.RemoveAll(d.folder) }
	}
	if endpoint := o.env("AWS_ENDPOINT_URL_DYNAMODB"); endpoint != "" {
		d.about = "DynamoDB table " + table + " at " + endpoint
		d.store, err = openDynamo(ctx, table, endpoint)
		return d, remove, err
	}
	d.about = "folder " + o.Data
	if o.Data == "" {
		d.about = "a temporary folder, gone at the end (--data DIR keeps it)"
	}
	d.store, err = openFile(d.folder)
	return d, remove, err
}

// openFile is OpenData as an interface that is nil on failure.
func openFile(folder string) (store.Store, error) {
	s, err := OpenData(folder)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openDynamo brings the table up to date, and makes it where that costs nobody
// anything: on this machine.
func openDynamo(ctx context.Context, table, endpoint string) (store.Store, error) {
	client, err := opentable.Connect(ctx, opentable.Settings{Table: table})
	if err != nil {
		return nil, err
	}
	if _, err := migrations.Run(ctx, client, table, migrations.Options{Create: dynamo.IsLoopback(endpoint)}); err != nil {
		return nil, err
	}
	return dynamo.New(client, table), nil
}

// fill loads the document, or else the seeds into an empty store.
func (o *Options) fill(ctx context.Context, s store.Store) error {
	list, by := o.Document, "local:document"
	if list == nil {
		apis, err := s.APIs(ctx)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		if len(apis) > 0 {
			return nil
		}
		if list, err = Seeds(); err != nil {
			return err
		}
		by = "local:seeds"
	}
	batches, err := store.Batches(list)
	if err != nil {
		return err
	}
	for _, b := range batches {
		if _, err := store.Merge(ctx, s, b, store.MergeOptions{By: by, Now: o.Now, Source: o.Source}); err != nil {
			return fmt.Errorf("load permissions of %s: %w", b.API, err)
		}
	}
	return nil
}

// SeedAPI is the API of the seeds: the original's example.
var SeedAPI = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// Seeds are the permissions of an empty store: the example of the original, a
// route with a parameter, and one below it that another scope opens.
func Seeds() ([]mapping.Permission, error) {
	const common = `"arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", "stage": "dev", "httpVerb": "GET"`
	list, err := mapping.ParsePermissions([]byte(`[
		{` + common + `, "resource": "my-resource", "scope": "email"},
		{` + common + `, "resource": "orders/{id}", "scope": "orders.read"},
		{` + common + `, "resource": "orders/export", "scope": "orders.admin"}
	]`))
	if err != nil {
		return nil, fmt.Errorf("seeds: %w", err)
	}
	return list, nil
}
