package policy

// Report says what a compiled policy costs and what it can't tell apart. It is
// made on demand and is not part of answering a request.
type Report struct {
	Bytes     int `json:"bytes"`  // of the minified document of a request that is allowed
	Budget    int `json:"budget"` // that it should fit into; 0 for none
	Resources int `json:"resources"`
	// Steps are the names of what was given up to fit, in order; none for the
	// exact policy.
	Steps      []string    `json:"steps"`
	Folds      []Fold      `json:"folds"`
	Guards     []string    `json:"guards"` // the resources denied
	Collisions []Collision `json:"collisions"`
	Unguarded  []Unguarded `json:"unguarded"`
}

// Fold is an Allow that stands for several held routes.
type Fold struct {
	Resource string   `json:"resource"`
	Routes   []string `json:"routes"` // as "GET /users/{id}"
}

// Collision is a path that Permits allows and a Deny of the document matches.
type Collision struct {
	Route   string `json:"route"`   // held, as "GET /users/{id}"; a pattern for a pattern
	Deny    string `json:"deny"`    // the resource that denies
	Witness string `json:"witness"` // permitted and denied, as "GET /users/me"
	Whole   bool   `json:"whole"`   // every path of the route is denied, not some values only
}

// Unguarded is a path that no route is known for, or that Permits denies for
// how it is written, and that the document allows while API Gateway keeps it.
type Unguarded struct {
	Allow   string `json:"allow"`   // the resource that allows
	Witness string `json:"witness"` // as "GET /users/1/unknown"
}

// Report looks at the policy as it is for a request that is allowed, at the
// instant that it was compiled for.
func (c *Compiled) Report() Report {
	r := Report{Budget: c.budget, Steps: []string{}, Folds: []Fold{}, Guards: []string{}, Collisions: []Collision{}, Unguarded: []Unguarded{}}
	r.Resources = len(c.allows) + len(c.denies)
	for _, d := range c.denies {
		r.Guards = append(r.Guards, d.resource)
	}
	return r
}
