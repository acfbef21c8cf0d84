//! The folder as an operator fills it.
use super::*;
use crate::watch::Watch;
use std::time::Duration;

/// A folder of its own for one test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("lwm2m-gateway-definitions-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("custom")).unwrap();
        Folder(path)
    }
    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn definition(id: u16) -> String {
    format!(
        "<LWM2M><Object ObjectType=\"MODefinition\"><Name>Test</Name><ObjectID>{id}</ObjectID><ObjectURN>urn:oma:lwm2m:x:{id}</ObjectURN>\
         <MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources><Item ID=\"0\"><Name>Value</Name>\
         <Operations>R</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type>Integer</Type>\
         <RangeEnumeration></RangeEnumeration><Units></Units><Description></Description></Item></Resources>\
         <Description2></Description2></Object></LWM2M>"
    )
}

#[test]
fn bad_file_costs_only_itself() {
    let folder = Folder::new("bad-file");
    folder.write("30001.xml", &definition(30_001));
    folder.write("custom/30002.XML", &definition(30_002));
    folder.write("broken.xml", "<LWM2M>\n<Object>\n</LWM2M>");
    folder.write("README.md", "not a definition");
    folder.write(".hidden.xml", "<LWM2M>");
    let definitions = load(&folder.0).unwrap();
    assert_eq!((definitions.files, definitions.catalog.len()), (3, 2));
    let fatal: Vec<&Finding> = definitions.findings.iter().filter(|finding| finding.fatal).collect();
    assert_eq!(fatal.len(), 1, "{:?}", definitions.findings);
    assert_eq!(fatal[0].file, "broken.xml");
    assert!(fatal[0].line > 1, "{:?}", fatal[0]);
}

#[test]
fn file_that_is_too_large_is_not_read() {
    let folder = Folder::new("too-large");
    let file = fs::File::create(folder.0.join("large.xml")).unwrap();
    file.set_len(LARGEST_FILE + 1).unwrap();
    let definitions = load(&folder.0).unwrap();
    assert_eq!(definitions.findings.len(), 1);
    assert!(definitions.findings[0].message.contains("bytes are more than"), "{:?}", definitions.findings);
}

#[test]
fn missing_folder_is_an_error() {
    assert!(load(Path::new("/nonexistent/objects")).is_err());
}

#[tokio::test]
async fn change_is_told_once_after_it_has_settled() {
    let folder = Folder::new("watch");
    let mut watch = Watch::folder(&folder.0).unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(500), watch.changed()).await;
    assert!(nothing.is_err(), "nothing changed yet");
    for _ in 0..3 {
        folder.write("custom/30001.xml", &definition(30_001));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.unwrap();
    // Reading the folder is no change.
    assert_eq!(load(&folder.0).unwrap().catalog.len(), 1);
    let again = tokio::time::timeout(Duration::from_millis(700), watch.changed()).await;
    assert!(again.is_err(), "the three writes were one change, and reading is none");
    fs::remove_file(folder.0.join("custom/30001.xml")).unwrap();
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.unwrap();
}
