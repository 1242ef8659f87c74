//! Starlark becomes a plan: resources, images, live updates, settings
