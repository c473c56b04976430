//! Compiles the rendered service's own proto with protox, so that nobody needs `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    const PROTOS: &str = "../../template/service/proto";
    println!("cargo::rerun-if-changed={PROTOS}");
    let descriptors = protox::compile(["kv/v1/kv.proto"], [PROTOS])?;
    // The bare server has the two calls that are measured; stubs answer the others.
    tonic_prost_build::configure().build_client(false).generate_default_stubs(true).compile_fds(descriptors)?;
    Ok(())
}
