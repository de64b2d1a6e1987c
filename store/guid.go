package store

// isGUID is ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$, as a loop: the authorizer's
// start pays for each regular expression that is compiled.
func isGUID(s string) bool {
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
