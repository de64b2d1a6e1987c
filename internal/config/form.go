package config

// What settings look like, as loops: a start pays for each regular expression that
// is compiled. form_test.go holds them against the expressions that they stand for.

// isTableName is ^[A-Za-z0-9_.-]{3,255}$, DynamoDB's naming rule (Amazon DynamoDB
// Developer Guide, "Naming rules").
func isTableName(s string) bool {
	if len(s) < 3 || len(s) > 255 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}
