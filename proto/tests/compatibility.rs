//! The contract only ever grows: every field and enum value that left a machine once is in
//! `compatibility.txt`, and must still be in the `.proto` file with the same number, type and label.

use std::collections::BTreeSet;
use std::path::Path;

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind};

/// Set to `1`, lets the test add what is new to the list. What is missing is never taken from it.
const ACCEPT: &str = "STOREWARDEN_ACCEPT_CONTRACT";

fn pool(include: &Path) -> DescriptorPool {
    let files = protox::compile(["storewarden.proto"], [include]).expect("the .proto file compiles");
    DescriptorPool::from_file_descriptor_set(files).expect("a compiled file is a valid descriptor set")
}

/// One line per field and per enum value, sorted.
fn contract(pool: &DescriptorPool) -> BTreeSet<String> {
    let fields = pool.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
    let values = pool.all_enums().flat_map(|kind| {
        let name = kind.full_name().to_owned();
        kind.values().map(|value| format!("{name}.{} = {}", value.name(), value.number())).collect::<Vec<_>>()
    });
    fields.map(|field| field_line(&field)).chain(values).collect()
}

fn field_line(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(kind) => kind.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    let label = match (field.cardinality(), field.containing_oneof()) {
        (Cardinality::Repeated, _) => "repeated ".to_owned(),
        (Cardinality::Required, _) => "required ".to_owned(),
        (Cardinality::Optional, None) => String::new(),
        // protobuf models `optional` of proto3 as a oneof of one field.
        (Cardinality::Optional, Some(oneof)) if oneof.is_synthetic() => "optional ".to_owned(),
        (Cardinality::Optional, Some(oneof)) => format!("oneof({}) ", oneof.name()),
    };
    format!("{} = {} {label}{kind}", field.full_name(), field.number())
}

#[derive(Debug, PartialEq, Eq)]
struct Difference {
    /// In the list, not in the `.proto` file: breaks whoever still speaks the old contract.
    broken: Vec<String>,
    /// In the `.proto` file, not yet in the list.
    added: Vec<String>,
}

fn compare(list: &BTreeSet<String>, now: &BTreeSet<String>) -> Difference {
    Difference {
        broken: list.difference(now).cloned().collect(),
        added: now.difference(list).cloned().collect(),
    }
}

#[test]
fn nothing_that_left_a_machine_has_changed() {
    // Cargo runs tests in the package's folder.
    let path = Path::new("compatibility.txt");
    let text = std::fs::read_to_string(path).expect("proto/compatibility.txt exists");
    let (head, list): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
    let list: BTreeSet<String> = list.into_iter().map(str::to_owned).collect();
    let now = contract(&pool(Path::new("proto")));
    let difference = compare(&list, &now);

    assert!(
        difference.broken.is_empty(),
        "removed, renamed, renumbered or retyped since it was published:\n  {}\nput it back and add a new \
         field with a new number instead",
        difference.broken.join("\n  ")
    );
    if difference.added.is_empty() {
        return;
    }
    if std::env::var(ACCEPT).as_deref() == Ok("1") {
        let all: Vec<&str> = head.into_iter().chain(list.union(&now).map(String::as_str)).collect();
        std::fs::write(path, all.join("\n") + "\n").expect("proto/compatibility.txt is writable");
        return;
    }
    panic!(
        "new in the contract, not yet in proto/compatibility.txt:\n  {}\nrun `{ACCEPT}=1 cargo test -p \
         storewarden-proto --test compatibility` to add them for good, and commit the file",
        difference.added.join("\n  ")
    );
}

/// The contract of a one-file `.proto` with the given body.
fn contract_of(body: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = format!("syntax = \"proto3\";\npackage t;\n{body}\n");
    std::fs::write(folder.path().join("storewarden.proto"), text).expect("the folder is writable");
    contract(&pool(folder.path()))
}

const BEFORE: &str = "enum E { E_ZERO = 0; E_ONE = 1; }
    message M { string a = 1; repeated sint64 b = 2; optional E c = 3; oneof d { M e = 4; bytes f = 5; } }";

#[test]
fn lines_tell_number_type_and_label() {
    let expected = [
        "t.E.E_ONE = 1",
        "t.E.E_ZERO = 0",
        "t.M.a = 1 string",
        "t.M.b = 2 repeated sint64",
        "t.M.c = 3 optional t.E",
        "t.M.e = 4 oneof(d) t.M",
        "t.M.f = 5 oneof(d) bytes",
    ];
    assert_eq!(contract_of(BEFORE), expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn every_kind_of_break_is_seen() {
    let before = contract_of(BEFORE);
    for (what, old, new) in [
        ("number", "string a = 1", "string a = 9"),
        ("type", "string a = 1", "bytes a = 1"),
        ("zigzag", "repeated sint64 b", "repeated int64 b"),
        ("label", "repeated sint64 b", "sint64 b"),
        ("presence", "optional E c", "E c"),
        ("name", "string a = 1", "string z = 1"),
        ("removal", "string a = 1;", "reserved 1;"),
        ("moved out of the oneof", "bytes f = 5; }", "} bytes f = 5;"),
        ("enum number", "E_ONE = 1", "E_ONE = 2"),
        ("enum value", "E_ONE = 1;", ""),
    ] {
        assert!(BEFORE.contains(old), "{what}: nothing to change");
        let after = contract_of(&BEFORE.replace(old, new));
        assert!(!compare(&before, &after).broken.is_empty(), "{what} went unseen");
    }
}

#[test]
fn an_addition_breaks_nothing_and_is_told() {
    let before = contract_of(BEFORE);
    let after = contract_of(&BEFORE.replace("string a = 1;", "string a = 1; double g = 6;"));
    let expected = Difference { broken: vec![], added: vec!["t.M.g = 6 double".to_owned()] };
    assert_eq!(compare(&before, &after), expected);
}
