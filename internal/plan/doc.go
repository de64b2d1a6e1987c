// Package plan says what a change to one table means before it is made: in go
// the table before and after, out comes a [Plan] of what is added and removed,
// who gains and who loses which routes (on effective access, as
// [mapping.Table.Permits] decides, not on text), the policies that the worst
// callers would get, and what lint then finds. [Guard] is the part of it that a
// write waits for. [WhoCan] and [WhatCan] ask the same of one table.
//
// It writes nothing, keeps nothing and asks nobody.
package plan
