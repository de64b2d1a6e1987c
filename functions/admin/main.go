// Command admin is the Lambda function of the admin API: requests of API Gateway,
// and of the queue the flushes that are due.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"scopegate/internal/adminwiring"
	"scopegate/internal/config"
	awsflush "scopegate/internal/flush/aws"
	"scopegate/internal/opentable"
	"scopegate/internal/wiring"
)

// prefetchTimeout bounds the network work of the start. Lambda gives the init
// phase 10 s (AWS: "Understanding the Lambda execution environment lifecycle").
const prefetchTimeout = 5 * time.Second

// attemptTimeout leaves room for further attempts within one commit: a connection
// that Lambda's freeze has killed hangs.
const attemptTimeout = 3 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), prefetchTimeout)
	defer cancel()
	settings, err := config.Load(os.Environ(), config.AdminAPI)
	if err != nil {
		return err
	}
	c := adminwiring.Config{Settings: settings}
	if c.Log, err = wiring.NewLog(settings.LogLevel); err != nil {
		return err
	}
	if c.Store, err = opentable.Open(ctx, opentable.Settings{Table: settings.TableName, AttemptTimeout: attemptTimeout}); err != nil {
		return err
	}
	if settings.Admin.Flush {
		if err := openFlush(ctx, &c); err != nil {
			return err
		}
	}
	parts, err := adminwiring.New(c)
	if err != nil {
		return err
	}
	parts.Prefetch(ctx)
	cancel()
	lambda.Start(parts.Function(settings.Admin.FlushQueue))
	return nil
}

// openFlush opens the ways to API Gateway and to the queue.
func openFlush(ctx context.Context, c *adminwiring.Config) error {
	sdk, err := awsflush.Open(ctx)
	if err != nil {
		return err
	}
	if c.Client, err = awsflush.NewClient(sdk, adminwiring.Account); err != nil {
		return err
	}
	c.Jobs, err = awsflush.NewJobs(sdk, c.Settings.Admin.FlushQueue, nil)
	return err
}
