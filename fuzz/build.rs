//! Compiles the machine, in C over the header, as a program's own calls are.
fn main() {
    println!("cargo::rerun-if-changed=src/machine.c");
    println!("cargo::rerun-if-changed=../include/vgpu_pool.h");
    cc::Build::new().file("src/machine.c").include("../include").std("c99").warnings(true).extra_warnings(true).compile("machine");
}
