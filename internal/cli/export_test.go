package cli

// CheckCases reads a file of tests.
func CheckCases(text []byte) error {
	_, err := parseCases(text)
	return err
}
