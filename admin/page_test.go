package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestAPageIsNeverLargerThanLambdaAnswers: heads may be large, and 6 MB is the
// most that a Lambda function answers with.
func TestAPageIsNeverLargerThanLambdaAnswers(t *testing.T) {
	s := newServer(t)
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf(`{"tenant": "%s", "role": "Team-%d"}`, home, i))
	}
	const tables = 150
	for i := range tables {
		a := s.call(t, "admin", "PUT", fmt.Sprintf("/v1/apis/rz8w6b1ik2/s%d", i), `{"arn": "`+arn+`", "owners": [`+strings.Join(many, ",")+`]}`)
		if a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	seen, pages := map[string]int{}, 0
	for next := ""; pages == 0 || next != ""; pages++ {
		at := "/v1/apis?limit=1000"
		if next != "" {
			at += "&cursor=" + next
		}
		a := s.call(t, "admin", "GET", at, "")
		var page struct {
			APIs []struct{ Stage string }
			Next string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || len(a.body) > 4<<20 {
			t.Fatalf("%d, %d bytes: %v", a.status, len(a.body), err)
		}
		for _, api := range page.APIs {
			seen[api.Stage]++
		}
		next = page.Next
	}
	if len(seen) != tables || pages < 2 {
		t.Errorf("%d tables of %d on %d pages", len(seen), tables, pages)
	}
	for stage, n := range seen {
		if n != 1 {
			t.Errorf("%s was shown %d times", stage, n)
		}
	}
}

// TestAFilterThatFewPassEndsAPageBeforeItIsFull: a page reads so many tables and
// no more, and the next goes on.
func TestAFilterThatFewPassEndsAPageBeforeItIsFull(t *testing.T) {
	s := newServer(t)
	const tables = 120
	var want []string
	for i := range tables {
		stage := fmt.Sprintf("s%03d", i)
		if a := s.call(t, "admin", "PUT", "/v1/apis/rz8w6b1ik2/"+stage, `{"arn": "`+arn+`"}`); a.status != 201 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if i%60 == 59 {
			want = append(want, s.add(t, stage, `"httpVerb": "GET", "resource": "a", "scope": "rare"`).ID)
		}
	}
	pages := 1
	got := s.walk(t, "admin", "/v1/permissions?scope=rare", func() { pages++ })
	if fmt.Sprint(got) != fmt.Sprint(want) || pages != 3 {
		t.Errorf("%v on %d pages, want %v on 3", got, pages, want)
	}
}
