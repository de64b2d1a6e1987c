// Package dev is the local stack: in go addresses and settings; out comes a
// running API Gateway of two flavours, the real authorizer behind them, an admin
// API, a store and an identity provider that looks like Entra ID, all in one
// process on this machine.
//
// It hands a token to whoever asks and must never be reachable from elsewhere:
// the admin API and the provider listen on loopback only and check the Host
// header, so that no web page reaches them through a name of its own (DNS
// rebinding).
package dev
