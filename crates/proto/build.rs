//! Compiles the schemas with a pure-Rust compiler, so that nobody has to install `protoc`.

use std::path::PathBuf;

use prost::Message as _;
use protox::prost_reflect::prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = [
        "common",
        "namespace",
        "membership",
        "consensus",
        "admin",
        "operations",
    ]
    .map(|name| format!("proto/distrifs/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    std::fs::write(out.join("methods.rs"), methods(&descriptors))?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}

/// All methods, as an array of Rust.
fn methods(descriptors: &FileDescriptorSet) -> String {
    let mut methods = String::from("&[");
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service, method) = (file.package(), service.name(), method.name());
                methods.push_str(&format!("(\"{package}.{service}\", \"{method}\"), "));
            }
        }
    }
    methods + "]"
}
