//! Whole lives of pods, with a clock that stands still.
