//! Compiles the schemas with a pure-Rust compiler, so that nobody has to install `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = [
        "proto/security.proto",
        "proto/hdfs.proto",
        "proto/datatransfer.proto",
    ];
    let descriptors = protox::compile(files, ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
