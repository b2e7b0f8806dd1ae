//! Embeds the BPF object, which `cargo xtask build` makes for another target than this crate's.

use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-env-changed=IGMP_EBPF_OBJECT");
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let object = match env::var_os("IGMP_EBPF_OBJECT") {
        Some(path) => PathBuf::from(path),
        None => manifest.join("../target/ebpf/bpfel-unknown-none/release/igmp-ebpf"),
    };
    println!("cargo::rerun-if-changed={}", object.display());

    // Without the object the crate still compiles, so that a plain `cargo build` or `cargo test` works on any machine;
    // igmpd then says at start what it lacks.
    let copy = PathBuf::from(env::var("OUT_DIR")?).join("igmp-ebpf");
    if object.exists() {
        fs::copy(&object, &copy)?;
    } else {
        println!(
            "cargo::warning=no BPF object at {}: run `cargo xtask build`",
            object.display()
        );
        fs::write(&copy, [])?;
    }
    Ok(())
}
