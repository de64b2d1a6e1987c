package main

import (
	"math"
	"slices"
)

// quantile is the smallest value that a share q of the values does not exceed; NaN
// of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// spread is the median and the quartiles of values.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func spreadOf(values []float64) spread {
	return spread{quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75)}
}

// ratio compares two rows by a metric, round by round: what slows the machine down
// slows both. false if either was not measured.
func (s series) ratio(row, base, metric string) (spread, bool) {
	a, b := s[row][metric], s[base][metric]
	n := min(len(a), len(b))
	if n == 0 {
		return spread{}, false
	}
	ratios := make([]float64, 0, n)
	for i := range n {
		ratios = append(ratios, a[i]/b[i])
	}
	return spreadOf(ratios), true
}

// median of a row's metric; false if it was not measured.
func (s series) median(row, metric string) (float64, bool) {
	v := s[row][metric]
	return quantile(v, 0.5), len(v) > 0
}
