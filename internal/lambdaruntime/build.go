package lambdaruntime

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// BuildFlags are those that the Makefile ships functions with (LAMBDA_FLAGS).
var BuildFlags = []string{"-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="}

// Build compiles a function, named by its import path, as it is shipped, but for
// this machine, and gives the path of its bootstrap, in dir. It is to be called
// from within the module. Flags of go build that are given beside win over
// BuildFlags. The error holds what the compiler says.
func Build(ctx context.Context, dir, pkg string, flags ...string) (string, error) {
	bootstrap := filepath.Join(dir, "bootstrap")
	args := slices.Concat([]string{"build", "-o", bootstrap}, BuildFlags, flags)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // else a C library is loaded at each start, which no function on Lambda does
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return bootstrap, nil
}
