//! Writes a file, reads it back, and lists its directory.
//!
//! Start a cluster with `cargo run --release -- mini`, then:
//! `cargo run -p client --example first_file -- localhost:9800`

use client::{Config, CreateOptions, FileSystem};
use env::Env;
use types::FsPath;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let master = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:9800".to_owned());
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    let fs = FileSystem::connect(Env::real(), Config::new(vec![master], user))?;

    let directory: FsPath = "/examples".parse()?;
    fs.mkdir(&directory, 0o755, true).await?;

    let path = directory.join("numbers.txt")?;
    let options = CreateOptions {
        overwrite: true,
        ..Default::default()
    };
    let mut file = fs.create(&path, options).await?;
    for number in 1..=100_000 {
        file.write(format!("{number}\n").as_bytes()).await?;
    }
    // Only now is it durable, and visible to others.
    let status = file.close().await?;
    println!("wrote {} bytes to {path}", status.len);

    let reader = fs.open(&path).await?;
    let mut lines = 0;
    let mut stream = reader.stream_all();
    while let Some(part) = stream.next().await {
        lines += part?.iter().filter(|byte| **byte == b'\n').count();
    }
    println!("read {lines} lines back");

    let mut tail = [0; 7];
    let count = reader.read_at(reader.len().saturating_sub(7), &mut tail).await?;
    println!("the last {count} bytes are {:?}", String::from_utf8_lossy(&tail));

    let mut pages = fs.list(&directory);
    while let Some(page) = pages.next_page().await? {
        for entry in page {
            println!("{:>10}  {}", entry.len, entry.name);
        }
    }
    Ok(())
}
