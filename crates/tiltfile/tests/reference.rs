//! The reference page of the builtins is what the catalog says.

use std::path::Path;

#[test]
fn the_page_is_fresh() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/tiltfile.md");
    expect_test::expect_file![page].assert_eq(&tiltfile::catalog::reference());
}
