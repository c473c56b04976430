//! Makes Rust of the proto. protox reads it, so nobody needs `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use protox::prost::Message;

#[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let descriptors = protox::compile(["kv/v1/kv.proto"], ["proto"])?;

    // What reflection tells clients, comments included.
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    // What calls are named in logs: a method that is added to the proto has its name without further ado.
    let methods = descriptors.file.iter().flat_map(|file| {
        let methods = file.service.iter().flat_map(|service| {
            let path = move |method: &str| format!("grpc /{}.{}/{method}", file.package(), service.name());
            service.method.iter().map(move |method| path(method.name()))
        });
        methods.collect::<Vec<_>>()
    });
    fs::write(out.join("methods.rs"), format!("&{:?}", methods.collect::<Vec<_>>()))?;

    tonic_prost_build::configure()
        // Values are shared with the store, not copied.
        .bytes(".")
        // Clients bring their own channel, and tests none at all.
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
