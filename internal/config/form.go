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

// isTenant is ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$, a GUID in lower case.
func isTenant(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		if dash && c != '-' || !dash && !hex {
			return false
		}
	}
	return true
}
