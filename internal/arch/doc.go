// Package arch holds no code: its tests keep the house in order, that is which
// package may link what.
package arch
