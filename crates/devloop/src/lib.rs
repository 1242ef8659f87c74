//! Changes and cluster facts in; build, sync and apply out
