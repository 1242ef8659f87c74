//! File events of the operating system become settled change sets
