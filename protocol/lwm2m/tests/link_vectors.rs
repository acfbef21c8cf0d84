//! The conformance vectors of link-format: object lists and Discover answers.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken vector file fails the test")]

mod vector;

use lwm2m::Path;
use lwm2m::format::ContentFormat;
use lwm2m::link::{self, LinkError};
use serde_json::{Map, Value as Json};
use vector::{Vector, vectors};

/// Path and attributes of every LwM2M link, the root included.
type Links = Vec<(String, Map<String, Json>)>;

fn attributes(link: &link::Link<'_>) -> Map<String, Json> {
    link.attributes.iter().map(|(name, value)| (name.to_string(), Json::from(value.as_deref()))).collect()
}

fn discovered(vector: &Vector) -> Result<Links, LinkError> {
    let links = link::parse_discover(&vector.body, vector.path, &[])?;
    Ok(links.iter().map(|(path, link)| (path.to_string(), attributes(link))).collect())
}

/// The paths of an object list with the attributes of the links that named them; the root with its attributes first.
fn registered(vector: &Vector) -> Result<(String, Links), LinkError> {
    let list = link::parse_object_list(&vector.body)?;
    let links = link::parse_links(&vector.body)?;
    let of = |path: &Path| {
        let alternate = list.alternate_path_text.trim_end_matches('/');
        let named = links.iter().find(|link| {
            let target = link.target.strip_prefix(alternate).unwrap_or(link.target);
            Path::parse(target).as_ref() == Ok(path)
        });
        (path.to_string(), attributes(named.unwrap()))
    };
    let root = [Path::ROOT];
    let named_root =
        links.iter().any(|link| link.attribute("rt").is_some_and(|rt| rt.contains("oma.lwm2m")) || link.target == "/");
    let paths = root.iter().filter(|_| named_root).chain(&list.paths);
    Ok((list.alternate_path_text.clone(), paths.map(of).collect()))
}

#[test]
fn link_vectors_are_read_or_refused() {
    let mut count = 0;
    for vector in vectors().iter().filter(|vector| vector.format == ContentFormat::Link) {
        count += 1;
        let (root, links) = if vector.operation == "register" {
            match registered(vector) {
                Ok((root, links)) => (Some(root), Ok(links)),
                Err(error) => (None, Err(error)),
            }
        } else {
            (None, discovered(vector))
        };
        if vector.raw["error"] == true {
            let error = links.expect_err(&vector.id);
            assert!(!error.reason.is_empty() && error.offset <= vector.body.len(), "{}", vector.id);
            continue;
        }
        let expected: Links = vector.raw["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| (node["path"].as_str().unwrap().to_string(), node["value"].as_object().unwrap().clone()))
            .collect();
        assert_eq!(links.unwrap_or_else(|error| panic!("{}: {error}", vector.id)), expected, "{}", vector.id);
        if let Some(root) = root {
            assert_eq!(root, vector.raw["root"].as_str().unwrap(), "{}", vector.id);
        }
    }
    assert_eq!(count, 46);
}
