//! Object lists of registrations and the parts of Discover answers, by the cases of the contract (9.3, 5.2) and of L-042 to L-053.
#![allow(clippy::unwrap_used, reason = "a broken case fails the test")]

use lwm2m::link::{ObjectList, Version, parse_object_list, split_links};

fn list(payload: &str) -> ObjectList {
    parse_object_list(payload.as_bytes()).unwrap_or_else(|error| panic!("{payload}: {error}"))
}

#[test]
fn links_and_alternate_path_are_reported_as_the_contract_says() {
    let cases = [
        ("</1>, </2>,</3/0>", "/", "/1 /2 /3/0", "/1 /2 /3/0"),
        ("</lwm2m>;rt=\"oma.lwm2m\";ct=11543,</lwm2m/1/0>,</3/0>", "/lwm2m", "/1/0 /3/0", "/1/0 /3/0"),
        ("</>;rt=\"oma.lwm2m\",</lwm2m/1/0>", "/", "/lwm2m/1/0", ""),
        // The root may come last, have several segments, and begins only whole segments.
        ("</a/b/3/0>,</a/b>;rt=oma.lwm2m", "/a/b", "/3/0", "/3/0"),
        ("</a>;rt=oma.lwm2m,</ab/3/0>,</a/1>", "/a", "/ab/3/0 /1", "/1"),
        // Reported as it is, understood as it is meant.
        ("<3/0>,</1/0>", "/", "3/0 /1/0", "/3/0 /1/0"),
        ("</3/0>,</3/0>", "/", "/3/0 /3/0", "/3/0"),
        ("</sensor/t>;rt=\"temp\",</3/0>", "/", "/sensor/t /3/0", "/3/0"),
        ("</3/0/0>,</3/0>", "/", "/3/0/0 /3/0", "/3/0"),
        // Secrets have no place in a registration.
        ("</0/0>,</21/1>,</0>,</3/0>", "/", "/0 /3/0", "/0 /3/0"),
        ("</5>;title=\"a,b;c\",</3/0>,", "/", "/5 /3/0", "/5 /3/0"),
        ("</3/0>;obs;if=\"x\"\r\n", "/", "/3/0", "/3/0"),
    ];
    for (payload, alternate, links, paths) in cases {
        let list = list(payload);
        assert_eq!(list.alternate_path_text, alternate, "{payload}");
        assert_eq!(list.links.join(" "), links, "{payload}");
        assert_eq!(list.paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), paths, "{payload}");
        let segments: Vec<&str> = alternate.split('/').filter(|segment| !segment.is_empty()).collect();
        assert_eq!(list.alternate_path, segments, "{payload}");
    }
}

#[test]
fn formats_of_the_root_link_are_read_in_every_spelling() {
    let cases: [(&str, &[u16]); 6] = [
        ("</>;rt=\"oma.lwm2m\";ct=\"60 110 112\",</3/0>", &[60, 110, 112]),
        ("</>;ct=11543;rt=\"oma.lwm2m\",</3/0>", &[11543]),
        ("</>;ct=112,</3/0>", &[112]),
        ("</a>;rt=oma.lwm2m;ct=110,</a/3/0>", &[110]),
        ("</>;ct=\"110 x 99999 112\",</3/0>", &[110, 112]),
        ("</3/0>;ct=60", &[]),
    ];
    for (payload, expected) in cases {
        assert_eq!(list(payload).content_formats, expected, "{payload}");
    }
}

#[test]
fn versions_belong_to_objects() {
    let list = list("</3/0>;ver=1.1,</5>;ver=\"1.2\",</3>;ver=1.2,</3303/0>;ver=2.0,</1>");
    let expected = [(3, Version::new(1, 2)), (5, Version::new(1, 2)), (3303, Version::new(2, 0))];
    assert_eq!(list.versions, expected);
}

#[test]
fn a_version_is_two_numbers() {
    let cases = [
        ("1.0", Some((1, 0))),
        ("1.2", Some((1, 2))),
        ("10.200", Some((10, 200))),
        ("1", None),
        ("1.0.2", None),
        ("", None),
        (".1", None),
        ("1.", None),
        ("+1.0", None),
        ("1.256", None),
        ("a.b", None),
        (" 1.0", None),
    ];
    for (text, expected) in cases {
        assert_eq!(Version::parse(text), expected.map(|(major, minor)| Version::new(major, minor)), "{text}");
    }
    assert_eq!(Version::new(1, 2).to_string(), "1.2");
}

#[test]
fn a_broken_list_is_refused_with_its_place() {
    let cases = [
        ("", 0),
        ("</>;rt=\"oma.lwm2m\"", 18),
        ("</0/0>", 6),
        ("</3/0>,</1/0", 7),
        ("</3/0>;title=\"x", 13),
        ("</3/0>x", 6),
        ("</3/0>,</3/65535>", 7),
        ("</3/0>,</65536>", 7),
        ("</1/2/3/4/5>", 0),
        ("</3>;ver=1", 0),
        ("</3/0>;=1", 7),
    ];
    for (payload, offset) in cases {
        let error = parse_object_list(payload.as_bytes()).unwrap_err();
        assert_eq!(error.offset, offset, "{payload}: {error}");
    }
}

#[test]
fn discover_answers_are_split_outside_quotes_only() {
    let cases: [(&str, &[&str]); 8] = [
        ("</3/0>;dim=8,</3/0/0>", &["</3/0>;dim=8", "</3/0/0>"]),
        ("</3>, </4>", &["</3>", " </4>"]),
        ("</3>;t=\"a,b\",</4>", &["</3>;t=\"a,b\"", "</4>"]),
        ("</3>;t=\"a\\\",b\",</4>", &["</3>;t=\"a\\\",b\"", "</4>"]),
        ("</a,b>,</4>", &["</a,b>", "</4>"]),
        ("</3>,", &["</3>", ""]),
        ("</3>;t=\"open,</4>", &["</3>;t=\"open,</4>"]),
        ("", &[]),
    ];
    for (payload, expected) in cases {
        assert_eq!(split_links(payload), expected, "{payload}");
    }
}

#[test]
fn a_huge_list_is_read_once_through() {
    // All but the instances of objects 0 and 21.
    let links: Vec<String> = (0..60_000).map(|id| format!("</{}/0>", id * 7 % 60_001)).collect();
    let list = list(&links.join(","));
    assert_eq!((list.paths.len(), list.links.len()), (59_998, 59_998));
}
