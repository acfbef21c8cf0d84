//! Builds the Java programs by Maven, once until their sources change, without the network if it has been there before.
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/leshan");
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/leshan");

/// Long enough for some thirty small files over a slow line.
const LIMIT: Duration = Duration::from_secs(240);

/// Why there are no Java programs.
#[derive(Debug)]
pub enum Missing {
    /// This program is not installed.
    Tool(&'static str),
    /// Maven could not fetch what the project needs.
    Artifacts(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Tool(name) => write!(f, "{name} is not installed (`make interop` does that)"),
            Missing::Artifacts(said) => write!(f, "Maven could not fetch Leshan; is there a network? It said: {said}"),
        }
    }
}

/// Version of Leshan in the Maven project.
pub(super) fn version() -> &'static str {
    let pom = include_str!("../../leshan/pom.xml");
    let value = pom.split("<leshan.version>").nth(1).and_then(|rest| rest.split('<').next());
    value.expect("the project names the version of Leshan")
}

/// What `java -cp` needs.
///
/// # Panics
/// If the programs do not compile.
pub fn classpath() -> Result<String, Missing> {
    for tool in ["java", "mvn"] {
        let there = Command::new(tool).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            return Err(Missing::Tool(tool));
        }
    }
    let jar = Path::new(TARGET).join("interop.jar");
    if !is_fresh(&jar) && package(&["-o"]).is_err() {
        package(&[]).map_err(Missing::Artifacts)?;
    }
    Ok(format!("{}:{TARGET}/lib/*", jar.display()))
}

fn is_fresh(jar: &Path) -> bool {
    let Ok(built) = jar.metadata().and_then(|data| data.modified()) else { return false };
    newest(Path::new(PROJECT)).is_some_and(|changed| changed < built)
}

fn newest(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        let entries = path.read_dir().ok()?;
        return entries.flatten().filter_map(|entry| newest(&entry.path())).max();
    }
    path.metadata().and_then(|data| data.modified()).ok()
}

/// Runs `mvn package`; the error is the first thing that it complained about.
fn package(options: &[&str]) -> Result<(), String> {
    std::fs::create_dir_all(TARGET).expect("the build folder is writable");
    let log: PathBuf = Path::new(TARGET).join("maven.log");
    let file = std::fs::File::create(&log).expect("the build folder is writable");
    let mut maven = Command::new("mvn")
        .args(["-q", "-B", "package"])
        .args(options)
        .current_dir(PROJECT)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a second handle"))
        .stderr(file)
        .spawn()
        .expect("Maven can be started");
    let end = Instant::now() + LIMIT;
    let status = loop {
        match maven.try_wait().expect("a child can be waited for") {
            Some(status) => break status,
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
            None => {
                let _ = maven.kill();
                let _ = maven.wait();
                return Err(format!("nothing within {LIMIT:?}"));
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(!said.contains("COMPILATION ERROR"), "the Java programs do not compile:\n{said}");
    Err(said.lines().find(|line| line.contains("ERROR")).unwrap_or("nothing").chars().take(300).collect())
}
