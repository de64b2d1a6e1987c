package opentable_test

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
)

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
