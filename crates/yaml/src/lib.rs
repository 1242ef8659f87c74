//! YAML: reading with positions by 1.1 and 1.2 rules, and the emitter that matches go-yaml byte for byte
