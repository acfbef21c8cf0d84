//! Builds Java programs by Maven, once until their sources change, without the network if it has been there before.
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// A Maven project beside these tests.
#[derive(Clone, Copy, Debug)]
pub struct Project {
    /// Folder below `integration_tests/`, and what is built below `target/`.
    pub name: &'static str,
    /// Its `pom.xml`.
    pub pom: &'static str,
}

/// Devices and a server made with Leshan.
pub const LESHAN: Project = Project { name: "leshan", pom: include_str!("../leshan/pom.xml") };

/// The broker of Apache ActiveMQ Artemis.
pub const ARTEMIS: Project = Project { name: "artemis", pom: include_str!("../artemis/pom.xml") };

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
            Missing::Artifacts(said) => write!(f, "Maven could not fetch it; is there a network? It said: {said}"),
        }
    }
}

impl Project {
    /// Version of the software that the project is about.
    pub fn version(&self) -> &'static str {
        let value = self.pom.split("<tested.version>").nth(1).and_then(|rest| rest.split('<').next());
        value.expect("the project names the version")
    }

    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.name)
    }

    fn target(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(self.name)
    }

    fn jar(&self) -> PathBuf {
        self.target().join("interop.jar")
    }

    /// Built, and nothing has changed since.
    pub fn is_built(&self) -> bool {
        let Ok(built) = self.jar().metadata().and_then(|data| data.modified()) else { return false };
        newest(&self.source()).is_some_and(|changed| changed < built)
    }

    /// What `java -cp` needs.
    ///
    /// # Panics
    /// If the programs do not compile.
    pub fn classpath(&self) -> Result<String, Missing> {
        for tool in ["java", "mvn"] {
            let there = Command::new(tool).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if !there.is_ok_and(|status| status.success()) {
                return Err(Missing::Tool(tool));
            }
        }
        if !self.is_built() && self.package(&["-o"]).is_err() {
            self.package(&[]).map_err(Missing::Artifacts)?;
        }
        Ok(format!("{}:{}/lib/*", self.jar().display(), self.target().display()))
    }

    /// Runs `mvn package`; the error is the first thing that it complained about.
    fn package(&self, options: &[&str]) -> Result<(), String> {
        std::fs::create_dir_all(self.target()).expect("the build folder is writable");
        let log: PathBuf = self.target().join("maven.log");
        let file = std::fs::File::create(&log).expect("the build folder is writable");
        let mut maven = Command::new("mvn")
            .args(["-q", "-B", "package"])
            .args(options)
            .current_dir(self.source())
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
}

fn newest(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        let entries = path.read_dir().ok()?;
        return entries.flatten().filter_map(|entry| newest(&entry.path())).max();
    }
    path.metadata().and_then(|data| data.modified()).ok()
}
