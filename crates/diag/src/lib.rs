//! Spans, diagnostics with hints, and how they are shown
