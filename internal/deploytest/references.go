//go:build deploy

package deploytest

import "fmt"

// checkReferences finds names that the template has not: of resources, of their
// attributes, of conditions.
func checkReferences(template object) []error {
	var errs []error
	for _, partition := range []string{"aws", "aws-us-gov"} {
		s := newStack(template, partition)
		for _, section := range []string{"Conditions", "Outputs"} {
			_, err := s.value(template[section])
			errs = append(errs, err)
		}
		for _, r := range resources(template) {
			if _, err := s.value(r.properties); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", r.id, err))
			}
			if name, ok := r.all["Condition"].(string); ok {
				_, err := s.condition(name)
				errs = append(errs, err)
			}
			errs = append(errs, s.checkOrder(r)...)
		}
	}
	return clean(errs)
}

func (s *stack) checkOrder(r resource) []error {
	after, ok := r.all["DependsOn"].([]any)
	if !ok && r.all["DependsOn"] != nil {
		after = []any{r.all["DependsOn"]}
	}
	var errs []error
	for _, id := range after {
		if _, ok := s.resource(fmt.Sprint(id)); !ok {
			errs = append(errs, fmt.Errorf("%s: DependsOn %v: is no resource of the template", r.id, id))
		}
	}
	return errs
}
