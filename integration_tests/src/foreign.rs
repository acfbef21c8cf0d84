//! Programs of `integration_tests/foreign/` in Python and JavaScript, driven by lines.
use crate::executable;
use crate::leshan::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A running program; ended when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

/// Where `make interop` installs the packages of npm.
fn node_modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/node/node_modules")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name)
}

/// Version of a package of npm, if it is installed and Node.js is there.
pub fn npm_version(package: &str) -> Option<String> {
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let manifest = std::fs::read(node_modules().join(package).join("package.json")).ok()?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    node.is_ok_and(|status| status.success()).then(|| manifest["version"].as_str().map(str::to_owned)).flatten()
}

/// Version of a package of Python, if it is installed.
pub fn python_version(package: &str, module: &str) -> Option<String> {
    let python = executable::python_with(module)?;
    let statement = format!("import importlib.metadata as m; print(m.version({package:?}))");
    let output = Command::new(python).args(["-c", &statement]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().to_owned())
}

/// aiocoap with its version.
pub fn aiocoap_version() -> String {
    format!("aiocoap {} (Python)", python_version("aiocoap", "aiocoap").unwrap_or_default())
}

/// libcoap with its version, which its tools tell when they do not know what to do.
pub fn libcoap_version() -> String {
    let output = Command::new(executable::tool("coap-client-notls", "libcoap3-bin")).output();
    let said = output.map(|output| [output.stdout, output.stderr].concat()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let version = said.split_whitespace().find(|word| word.starts_with('v') && word.contains('.'));
    format!("libcoap {}", version.unwrap_or("").trim_start_matches('v'))
}

impl Program {
    /// Runs a script of `foreign/` by Node.js.
    pub fn node(name: &str, arguments: &[&str]) -> Program {
        Program::start(Command::new("node").env("NODE_PATH", node_modules()).arg(script(name)).args(arguments))
    }

    /// Runs a script of `foreign/` by the Python that has this module.
    pub fn python(module: &str, name: &str, arguments: &[&str]) -> Program {
        let python = executable::python_with(module).expect("the caller has looked for it");
        Program::start(Command::new(python).arg(script(name)).args(arguments))
    }

    fn start(command: &mut Command) -> Program {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the foreign program can be started");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (send, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Program { child, input, lines }
    }

    /// Gives it a line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the foreign program listens");
    }

    /// The next line that fits; others are passed over.
    pub fn expect(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let mut passed = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if fits(&line) => return line,
                Ok(line) => passed.push(line),
                Err(error) => panic!("no {what} of the foreign program ({error}); it said:\n{}", passed.join("\n")),
            }
        }
    }

    /// The next line that begins with this word.
    pub fn expect_word(&mut self, word: &str) -> String {
        self.expect(word, |line| line.split(' ').next() == Some(word))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
