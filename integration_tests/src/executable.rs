//! Finds (and, once per test program, builds) the executable under test; finds foreign tools.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of `lwm2m-gateway` of the profile that the tests were built with. `LWM2M_GATEWAY_BIN` names another one.
pub fn gateway() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(given) = std::env::var_os("LWM2M_GATEWAY_BIN") {
            let given = PathBuf::from(given);
            assert!(given.is_file(), "LWM2M_GATEWAY_BIN names {}, which is not there", given.display());
            return given;
        }
        build("lwm2m-gateway")
    })
}

/// Builds all executables of the workspace: the same choice of packages as with `cargo test --workspace`, hence nothing twice.
fn build(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own executable");
    let folder = test.parent().expect("an executable lives in a folder");
    // Tests live in target/<profile>/deps, programs of the bench one above.
    let profile =
        if folder.ends_with("deps") { folder.parent().expect("`deps` lies in the profile's folder") } else { folder };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(["build", "--quiet", "--workspace", "--bins"]);
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo can be started to build the executable under test");
    assert!(status.success(), "`cargo build --workspace --bins` failed: there is no executable to test");
    let executable = profile.join(name);
    assert!(
        executable.is_file(),
        "no executable at {}: run `cargo build --workspace --bins` with the profile of the tests, or set LWM2M_GATEWAY_BIN",
        executable.display()
    );
    executable
}

/// A tool of the system, or a test failure that says how to get it.
pub fn tool(name: &str, package: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is needed for this test: install {package} (`make test` does)"))
}

/// The Python interpreter that has `aiocoap`: the virtual environment that `make test` makes, else the system's.
pub fn python_with_aiocoap() -> PathBuf {
    python_with("aiocoap").unwrap_or_else(|| {
        panic!(
            "Python with aiocoap is needed for this test: `make test` installs it into target/venv \
             (python3 -m venv target/venv && target/venv/bin/pip install aiocoap)"
        )
    })
}

/// A Python interpreter that has this module.
pub fn python_with(module: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let candidates = [
        std::env::var_os("LWM2M_TEST_PYTHON").map(PathBuf::from),
        Some(root.join("target/venv/bin/python3")),
        Some(root.join(".venv/bin/python3")),
        Some(PathBuf::from("python3")),
    ];
    let statement = format!("import {module}");
    candidates.into_iter().flatten().find(|python| {
        Command::new(python).args(["-c", &statement]).output().is_ok_and(|output| output.status.success())
    })
}
