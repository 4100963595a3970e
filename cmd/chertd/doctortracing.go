package main

import (
	"context"
	"net/url"
)

// collector connects to the host of the collector of traces. It sends nothing.
func (k *checkup) collector(ctx context.Context) result {
	t := &k.c.Tracing
	if t.URL == "" {
		return fine("off")
	}
	u, err := url.Parse(t.URL)
	switch {
	case err != nil || u.Host == "" || k.faulty("tracing."):
		return skipped("fix configuration first")
	case k.offline:
		return skipped("--offline")
	}
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	got := k.reach(ctx, &url.URL{Scheme: u.Scheme, Host: u.Host}, "tracing.url")
	if got.why != "" {
		r := fine("%s", got.summary)
		r.warn("the collector of traces: "+got.summary+": "+got.why+". Events and calls are not affected", got.fix)
		return r
	}
	return fine("%s; nothing was sent", got.summary)
}
